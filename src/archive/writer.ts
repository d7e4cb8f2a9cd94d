import { StageError } from '../errors.ts'
import { type ArchivedEntry, type ArchivedFile, type ArchiveIndex, FORMAT_VERSION } from '../model/archive-index.ts'
import { type BytePath, byPath, displayPath, parentOf } from '../model/byte-path.ts'
import type { DirectoryEntry, FileEntry, HardlinkEntry, SymlinkEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, PackedFrame, TakeFrame } from '../model/item.ts'
import { type Compress, DEFAULT_LEVEL, type Format } from './codec.ts'
import { OPENING } from './format.ts'
import { encodeContainer } from './index/container.ts'
import { createFile, type NewFile, writeAll } from './write/file.ts'
import type { MemberWriter, TakenOver } from './write/member-writer.ts'
import { TarMembers } from './write/tar-members.ts'
import { ZipMembers } from './write/zip-members.ts'

export interface WriteOptions {
  /** Must not exist. Removed again where anything fails. */
  path: string
  format: Format
  /** zstd 1 to 19 (default 3), gzip and zip 1 to 9 (default 6); a plain tar has none. */
  level?: number
  /** Folder of the archive in which the environment stands for those who unpack it; none by default. */
  root?: BytePath
  /** Frames compressed at once, see `framesAtOnce`; libuv's pool may allow fewer. */
  threads: number
  /** Compresses frames of a tar elsewhere than in libuv's pool. Their content lies in shared memory then. */
  compress?: Compress | undefined
  header: Pick<ArchiveIndex, 'name' | 'prefixes' | 'siblings' | 'generator' | 'platform' | 'created' | 'whole'>
  /** How the archive begins: frames out of an older one, with the files in them at their new places. Not with `takeFrame`. */
  reused?: { files: readonly ArchivedFile[]; frames: AsyncIterable<TakenOver> }
  /** Everything else, in any order. Must hold the prefix itself (path ''), and each thing's folder. */
  items: AsyncIterable<ArchiveItem | PackedFrame>
  /** Files for those who unpack the archive by other programs: members like others, but not in the index. */
  besides?(entries: readonly ArchivedEntry[]): readonly ArchiveItem[]
  /**
   * Gets the content of each frame on its way into the archive. Where the archive itself can't be written that is no failure
   * then: see `lost`. Not for a zip.
   */
  takeFrame?: TakeFrame | undefined
  signal?: AbortSignal
  /** Content bytes and files so far. */
  onWritten?(bytes: number, files: number): void
}

export interface WrittenArchive {
  index: ArchiveIndex
  /** What stands before the frames, and behind them, and where. */
  start: Buffer
  end: { offset: number; data: Buffer }
  /** Why there is no archive, where its frames were taken all the same. */
  lost?: unknown
}

/**
 * Writes an archive in one pass. The tar stream has the files in the order in which they come, then the hard links, then
 * the directories, the deepest first, each followed by the symbolic links in it. So no extractor has to put something
 * into a folder whose mode forbids it or whose mtime is set already, and the order of `items` is free.
 * (GNU tar puts off absolute links and those with '..', and only mends the mtime of a folder that stands right before.)
 * @throws StageError CHANGED, NO_SPACE, ARCHIVE_UNWRITABLE, CANCELLED; what `items` throws comes through.
 */
export async function writeArchive(options: WriteOptions): Promise<WrittenArchive> {
  const file = await createFile(options.path, options.takeFrame !== undefined)
  let complete = false
  try {
    const written = await write(file, options)
    complete = true
    return file.lost === undefined ? written : { ...written, lost: file.lost }
  } finally {
    await file.end(complete)
  }
}

async function write(handle: NewFile, options: WriteOptions): Promise<WrittenArchive> {
  const { path, format, threads, header, root = '', takeFrame, compress } = options
  const level = options.level ?? DEFAULT_LEVEL[format]
  const common = { handle, path, format, level, threads, root, takeFrame, compress }
  const members = format === 'zip' ? new ZipMembers(common) : await TarMembers.open(common)
  try {
    const entries = await writeMembers(members, options)
    const indexOffset = await members.finish()
    const index = { version: FORMAT_VERSION, format, ...header, entries, frames: [...members.frames] }
    throwIfCancelled(options)
    const data = endOf(index, indexOffset, members)
    await writeAll(handle, path, data, indexOffset)
    return { index, start: OPENING[format], end: { offset: indexOffset, data } }
  } finally {
    await members.settle()
  }
}

/** The index, and what stands behind it, whose size the index tells. */
function endOf(index: ArchiveIndex, indexOffset: number, members: MemberWriter): Buffer {
  const behind = members.closing(indexOffset, 0).length
  const container = encodeContainer(index, indexOffset, behind)
  return Buffer.concat([container, members.closing(indexOffset, container.length)])
}

async function writeMembers(members: MemberWriter, options: WriteOptions): Promise<ArchivedEntry[]> {
  const entries: ArchivedEntry[] = [...(await takeOver(members, options))]
  const others: Exclude<ArchivedEntry, ArchivedFile>[] = []
  const done: Progress = { bytes: 0, files: 0 }
  for await (const item of options.items) {
    throwIfCancelled(options)
    if ('stored' in item) {
      entries.push(...(await addPacked(members, item, done, options)))
      continue
    }
    const { entry, content } = item
    if (entry.type === 'file') entries.push(await writeFile(members, { entry, content, beside: false }, done, options))
    else others.push(entry)
    if (entry.type === 'directory' && members.foldersFirst) await members.add(entry)
  }
  await members.endFiles()
  const all = [...entries, ...others].sort(byPath)
  for (const { entry, content } of options.besides?.(all) ?? [])
    if (entry.type === 'file')
      await writeFile(members, { entry, content, beside: true }, done, { ...options, onWritten: () => {} })
  for (const entry of closingOrder(others))
    if (entry.type !== 'directory' || !members.foldersFirst) await members.add(entry)
  return all
}

async function takeOver(members: MemberWriter, options: WriteOptions): Promise<readonly ArchivedFile[]> {
  if (options.reused === undefined) return []
  for await (const frames of options.reused.frames) {
    throwIfCancelled(options)
    await members.takeOver(frames)
  }
  return options.reused.files
}

type Other = DirectoryEntry | SymlinkEntry | HardlinkEntry

function closingOrder(entries: readonly Other[]): Other[] {
  const links = entries.filter((entry) => entry.type === 'hardlink')
  const directories = entries.filter((entry) => entry.type === 'directory')
  const inside = new Map<BytePath, SymlinkEntry[]>(directories.map(({ path }) => [path, []]))
  for (const entry of entries) if (entry.type === 'symlink') inside.get(parentOf(entry.path))?.push(entry)
  const deepestFirst = directories.sort(byPath).reverse()
  return [...links, ...deepestFirst.flatMap((folder) => [folder, ...(inside.get(folder.path) ?? [])])]
}

async function addPacked(
  members: MemberWriter,
  packed: PackedFrame,
  done: Progress,
  { onWritten }: WriteOptions,
): Promise<ArchivedFile[]> {
  const frame = await members.addPacked(packed)
  for (const { size } of packed.files) done.bytes += size
  done.files += packed.files.length
  onWritten?.(done.bytes, done.files)
  return packed.files.map((file) => ({ ...file, frame }))
}

interface Progress {
  bytes: number
  files: number
}

async function writeFile(
  members: MemberWriter,
  { entry, content, beside }: { entry: FileEntry; content: Content | undefined; beside: boolean },
  done: Progress,
  options: WriteOptions,
): Promise<ArchivedFile> {
  if (content === undefined) throw new TypeError(`no content for ${displayPath(entry.path)}`)
  const { frame, offset } = await members.beginFile(entry, { beside })
  let size = 0
  for await (const chunk of Buffer.isBuffer(content.chunks) ? [content.chunks] : content.chunks) {
    throwIfCancelled(options)
    size += chunk.length
    // Before it is written: a file that grows without end must not fill the disk.
    if (size > entry.size) throw changed(entry, options, 'it grew')
    await members.append(chunk)
    done.bytes += chunk.length
    options.onWritten?.(done.bytes, done.files)
  }
  if (size < entry.size) throw changed(entry, options, `it has ${size} bytes instead of ${entry.size}`)
  const facts = content.facts()
  await members.endFile(facts)
  done.files++
  options.onWritten?.(done.bytes, done.files)
  return { ...entry, frame, frameOffset: offset, ...facts }
}

function changed(entry: FileEntry, { header }: WriteOptions, what: string): StageError {
  const path = `${header.prefixes[0]}/${displayPath(entry.path)}`
  return new StageError('CHANGED', `${path} changed while it was being packed: ${what}`, {
    path,
    hint: 'Run conda-stage again when nothing is being installed',
  })
}

function throwIfCancelled({ signal, path }: WriteOptions): void {
  if (!signal?.aborted) return
  throw new StageError('CANCELLED', `Packing into ${path} was cancelled`, { path, cause: signal.reason })
}
