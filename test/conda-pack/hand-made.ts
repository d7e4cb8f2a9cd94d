/** Archives like conda-pack's, made by hand, and what is read from them. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync, constants as zlib, zstdCompressSync } from 'node:zlib'
import { condaPackItems, openCondaPack } from '../../src/conda-pack/foreign/conda-pack-archive.ts'
import type { Entry } from '../../src/model/entry.ts'
import { type TarMember, tar } from '../archive/hand-made-tar.ts'
import { type ZipMember, zip } from '../archive/hand-made-zip.ts'

const PLACEHOLDER = '/opt/placeholder'

/** conda-unpack as conda-pack writes it, with a list of the files that hold the placeholder. */
export const unpackScript = (...records: string[]): string =>
  `#!/usr/bin/env python\n_prefix_records = [\n${records.map((path) => `('${path}', '${PLACEHOLDER}', 'text')`).join(',\n')}\n]\n`

const files = {
  'conda-meta/history': '==> 2024-01-01 00:00:00 <==\n',
  'conda-meta/p-1-0.json': '{}',
  'bin/tool': `#!${PLACEHOLDER}/bin/python\n`,
  'bin/conda-unpack': unpackScript('bin/tool'),
}

/** The members of an environment that is right in every way. */
export const condaPackMembers = (): TarMember[] =>
  Object.entries(files).map(([name, content]) => ({ name, content, mode: 0o755 }))

/** The same, and more. */
export const condaPackTar = (...more: TarMember[]): Buffer => tar(...condaPackMembers(), ...more)

export const condaPackZip = (...more: ZipMember[]): Buffer => zip([...zipMembers(), ...more])

export const zipMembers = (): ZipMember[] =>
  Object.entries(files).map(([name, content]) => ({ name, content, mode: 0o100755, deflate: true }))

/** Compresses a tar in each way that conda-pack knows. */
export const COMPRESS: Record<string, (tar: Buffer) => Buffer> = {
  tar: (data) => data,
  'tar.gz': (data) => gzipSync(data),
  'tar.zst': (data) => zstdCompressSync(data, { params: { [zlib.ZSTD_c_checksumFlag]: 1 } }),
  'tar.bz2': (data) => through('bzip2', data),
  'tar.xz': (data) => through('xz', data),
}

function through(program: string, input: Buffer): Buffer {
  const { stdout, status } = spawnSync(program, ['-c'], { input, maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`${program} ended with ${status}`)
  return stdout
}

export interface ReadEntry {
  entry: Entry
  content?: Buffer
}

export function folderOf(context: TestContext): string {
  const folder = mkdtempSync(`${tmpdir()}/conda-pack-test-`)
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Reads the archive as staging does: all of it, twice.
 * @param options.bytes what to write there first; `keep: false` forgets the contents
 */
export async function readCondaPack(
  path: string,
  { bytes, keep = true }: { bytes?: Buffer; keep?: boolean } = {},
): Promise<Map<string, ReadEntry>> {
  if (bytes !== undefined) writeFileSync(path, bytes)
  const handle = await open(path, 'r')
  try {
    const archive = await openCondaPack(path, handle)
    const options = { prefixes: ['/envs/mine'], mtimeNs: 0n, beside: `${dirname(path)}/target`, onNoRoom: () => {} }
    const found = new Map<string, ReadEntry>()
    for await (const { entry, content } of condaPackItems(archive, handle, options)) {
      const parts: Buffer[] = []
      if (content)
        for await (const part of content.chunks as AsyncIterable<Buffer>) if (keep) parts.push(Buffer.from(part))
      found.set(entry.path, { entry, ...(content && { content: Buffer.concat(parts) }) })
    }
    return found
  } finally {
    await handle.close()
  }
}
