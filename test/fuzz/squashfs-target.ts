import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Malformed } from '../../src/archive/read/malformed.ts'
import { ImageContents } from '../../src/image/squashfs/content.ts'
import { Tables } from '../../src/image/squashfs/tables.ts'
import { treeOf } from '../../src/image/squashfs/tree.ts'
import type { Target } from './fuzz.ts'

/** A small image as it is, and one whose tables are not compressed: there a change of a byte is a change of a number. */
let images: Buffer[] | undefined

/** To be awaited before the seeds are asked for. */
export function prepareImages(): void {
  images ??= [
    ['-noI', '-noD', '-noF'],
    ['-comp', 'zstd'],
  ].map(smallImage)
}

function smallImage(options: readonly string[]): Buffer {
  const folder = mkdtempSync(`${tmpdir()}/fuzz-`)
  mkdirSync(`${folder}/tree/lib/empty`, { recursive: true })
  writeFileSync(`${folder}/tree/lib/long`, 'x'.repeat(9000))
  writeFileSync(`${folder}/tree/short`, 'short')
  symlinkSync('../short', `${folder}/tree/lib/link`)
  const always = ['-noappend', '-quiet', '-no-progress', '-b', '4096', '-all-time', '0', '-mkfs-time', '0', '-all-root']
  execFileSync('mksquashfs', [`${folder}/tree`, `${folder}/image`, ...always, ...options])
  const image = readFileSync(`${folder}/image`)
  rmSync(folder, { recursive: true })
  return image.subarray(0, Number(image.readBigUInt64LE(40)))
}

/** More than the seeds hold: an image may name one block many times. */
const MOST_BYTES = 4 * 1024 * 1024

export const squashfsTarget: Target = {
  files: ['/image/squashfs/'],
  words: ['hsqs'],
  seeds: () => images ?? [],
  async run(bytes) {
    try {
      const tables = await Tables.read(sourceOf(bytes), bytes.length)
      const contents = new ImageContents(tables)
      let left = MOST_BYTES
      for (const entry of treeOf(tables)) {
        if (entry.type !== 'file') continue
        contents.placeOf(entry)
        for await (const chunk of contents.of(entry)) {
          left -= chunk.length
          if (left < 0) return
        }
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
    }
  },
}

const sourceOf = (bytes: Buffer) => ({
  stat: async () => ({ size: bytes.length, isFile: () => true }),
  read: async (into: Buffer, offset: number, length: number, position: number) => ({
    bytesRead: position >= bytes.length ? 0 : bytes.copy(into, offset, position, position + length),
  }),
})
