import { chmodSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { readIndex } from '../../src/archive/reader.ts'
import type { ArchiveFinding } from '../../src/archive/verify/finding.ts'
import { verifyImage } from '../../src/image/verify-image.ts'
import { imageWriter } from '../../src/image/write-image.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { HEADER } from '../archive/support.ts'

/** What makes images: each of them is there in one place or other. */
export const PROGRAMS = ['mksquashfs', 'tar2sqfs', 'an old mksquashfs'] as const
export type ProgramName = (typeof PROGRAMS)[number]

/** A program of that name in this folder, for CONDA_STAGE_MKSQUASHFS. An old one does not know -tar. */
export function programIn(folder: string, name: ProgramName): string {
  if (name !== 'an old mksquashfs') return `/usr/bin/${name}`
  return script(folder, [
    'for argument; do [ "$argument" != -tar ] || exit 9; done',
    'if [ "$1" = -help ]; then /usr/bin/mksquashfs -help 2>&1 | grep -v "^-tar"; exit 1; fi',
    'exec /usr/bin/mksquashfs "$@"',
  ])
}

/** A mksquashfs of these lines. */
export function script(folder: string, lines: readonly string[]): string {
  const file = `${folder}/mksquashfs`
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'))
  chmodSync(file, 0o755)
  return file
}

export interface MakeOptions {
  folder: string
  program: string
  signal?: AbortSignal
}

/** Makes an image of these items in the folder. */
export async function make(
  items: Iterable<ArchiveItem> | AsyncIterable<ArchiveItem>,
  { folder, program, signal }: MakeOptions,
) {
  const path = `${folder}/image.sqfs`
  const each = async function* () {
    yield* items
  }
  const env = { PATH: '/usr/bin:/bin', CONDA_STAGE_MKSQUASHFS: program }
  const write = await imageWriter({
    env,
    without: [],
    level: 3,
    threads: 2,
    localFolder: async () => folder,
    signal,
  })
  await write({ path, format: 'sqfs', threads: 2, header: HEADER, items: each(), ...(signal && { signal }) })
  return path
}

export async function verified(path: string): Promise<{ index: ArchiveIndex; findings: ArchiveFinding[] }> {
  const handle = await open(path)
  try {
    const index = await readIndex(path, handle)
    return {
      index,
      findings: await verifyImage(path, handle, index, { generator: HEADER.generator, onChecked: () => {} }),
    }
  } finally {
    await handle.close()
  }
}
