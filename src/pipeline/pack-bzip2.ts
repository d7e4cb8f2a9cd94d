import { resolve } from 'node:path'
import { BZIP2_OPENING } from '../archive/format.ts'
import { readIndex, readStored } from '../archive/reader.ts'
import { ArchiveFile } from '../archive/write/file.ts'
import { chooseWritable, ofArchive, publishArchive, temporaryName } from '../cache/index.ts'
import { bzip2Streams } from '../conda-pack/bzip2.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { open, stat, unlink } from '../platform/remote-fs.ts'
import type { PackOptions, PackResult } from './options.ts'
import { type Filled, pathsOf } from './original.ts'
import { timed } from './timing.ts'
import { writeEnvironment } from './write-archive.ts'

/**
 * Packs into a tar.bz2 for use elsewhere: writes a plain tar beside it and compresses that with the system's bzip2. Such an
 * archive has no index, so it can't be staged, and each call packs again.
 * @throws StageError USAGE without `output`; NO_PROGRAM, and what packing throws
 */
export async function packBzip2(environment: Environment, options: Filled<PackOptions>): Promise<PackResult> {
  const { prefix } = environment
  const { output, cwd, onProgress, signal, warnings } = options
  if (output === undefined) {
    throw new StageError('USAGE', 'a tar.bz2 is an archive for use elsewhere', { hint: 'Name it with --output=FILE.' })
  }
  const { path } = await chooseWritable([resolve(cwd, output)], new Map(), pathsOf(environment))
  const write = async (temporary: string): Promise<void> => {
    const tar = temporaryName(path)
    try {
      await writeEnvironment(tar, { environment, candidates: [path] }, { ...options, format: 'tar' })
      await compress(tar, temporary, options)
    } catch (error) {
      throw ofArchive(error, tar, path)
    } finally {
      await unlink(tar).catch(() => {})
    }
  }
  await timed(onProgress, { kind: 'phase', phase: 'pack', prefix }, () =>
    publishArchive({ path, write, ...(signal && { signal }) }),
  )
  return { prefix, archive: path, bytes: (await stat(path)).size, fresh: false, warnings }
}

async function compress(tar: string, target: string, options: Filled<PackOptions>): Promise<void> {
  const { compressLevel: level, threads = defaultThreads(), signal } = options
  const file = await ArchiveFile.create(target)
  let complete = false
  try {
    let position = 0
    const add = async (data: Buffer): Promise<void> => {
      await file.write(data, position)
      position += data.length
    }
    await add(BZIP2_OPENING)
    for await (const stream of bzip2Streams(framesOf(tar), { threads, signal, ...(level !== undefined && { level }) }))
      await add(stream)
    complete = true
  } finally {
    await file.end(complete)
  }
}

/** The bytes of a plain tar of ours, without its opening and its index. */
async function* framesOf(tar: string): AsyncGenerator<Buffer> {
  const { frames } = await readIndex(tar)
  const handle = await open(tar)
  try {
    for (const frame of frames) yield await readStored(handle.fd, { path: tar }, frame)
  } finally {
    await closeRead(handle)
  }
}
