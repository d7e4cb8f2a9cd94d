import { StageError } from '../errors.ts'
import { type ArchivedEntry, type ArchivedFile, type ArchiveIndex, FORMAT_VERSION } from '../model/archive-index.ts'
import { type BytePath, byPath, displayPath, parentOf } from '../model/byte-path.ts'
import type { DirectoryEntry, FileEntry, HardlinkEntry, RenamedMembers, SymlinkEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, PackedFrame, TakeFrame } from '../model/item.ts'
import { type Compress, DEFAULT_LEVEL, type Format } from './codec.ts'
import { OPENING } from './format.ts'
import { encodeContainer } from './index/container.ts'
import { ArchiveFile, LosableFile, type Sink } from './write/file.ts'
import { type ImageMaker, ImageMembers } from './write/image-members.ts'
import type { MemberWriter, TakenOver, TarWriter } from './write/member-writer.ts'
import { type TarFormat, TarMembers } from './write/tar-members.ts'
import { ZipMembers } from './write/zip-members.ts'

export interface WriteOptions {
  /** Nothing may stand there. After a failure nothing is left there. Undefined, with `takeFrame`: no archive is written. */
  path: string | undefined
  format: Format
  /** zstd 1 to 19 (default 3), gzip and zip 1 to 9 (default 6). A plain tar has none. */
  level?: number
  /** Folder of the archive in which the environment stands, for those who unpack it. By default there is none. */
  root?: BytePath
  /** Entries that are members of another name, for those who unpack the archive. */
  renamed?: RenamedMembers
  /** Frames compressed at once, see `framesAtOnce`. libuv's pool may allow fewer. */
  threads: number
  /** Compresses the frames of a tar outside of libuv's pool. Their content then lies in shared memory. */
  compress?: Compress | undefined
  header: Pick<
    ArchiveIndex,
    'name' | 'prefixes' | 'siblings' | 'generator' | 'platform' | 'created' | 'whole' | 'relocated'
  >
  /** The beginning of a tar: frames of an older one, and the files in them at their new places. Not with `takeFrame`. */
  reused?: { files: readonly ArchivedFile[]; frames: AsyncIterable<TakenOver> }
  /** Everything else, in any order. Must hold the prefix itself (path '') and the folder of each entry. Only a tar takes packed frames. */
  items: AsyncIterable<ArchiveItem | PackedFrame>
  /** Files for people who unpack the archive with other programs: members like others, but not in the index. */
  besides?(entries: readonly ArchivedEntry[]): readonly ArchiveItem[]
  /**
   * Gets the content of each frame on its way into a tar. Then it is no failure if the archive itself can't be written:
   * `lost` in the result says why.
   */
  takeFrame?: TakeFrame | undefined
  /** Makes the image that is to stand at this path, in format sqfs. */
  makeImage?(path: string): ImageMaker
  /** What an image gets in place of the members that the index names. */
  inImage?(members: TarWriter): TarWriter
  signal?: AbortSignal
}

export interface WrittenArchive {
  index: ArchiveIndex
  /** The bytes before the frames. */
  start: Buffer
  /** The bytes behind the frames, and where they begin. */
  end: { offset: number; data: Buffer }
  /** Why there is no archive, although `takeFrame` got all of its frames. */
  lost?: StageError
}

/**
 * Writes an archive in one pass.
 * @throws StageError CHANGED, NO_SPACE, ARCHIVE_UNWRITABLE, CANCELLED; what `items` throws comes through.
 */
export async function writeArchive(options: WriteOptions): Promise<WrittenArchive> {
  const { format } = options
  if (format === 'zip') return await writeZip(options)
  if (format === 'sqfs') return await writeImage(options)
  return await writeTar({ ...options, format })
}

async function writeTar(options: WriteOptions & { format: TarFormat }): Promise<WrittenArchive> {
  const { path, format, level = DEFAULT_LEVEL[format], threads, root = '', renamed, takeFrame, compress } = options
  const write = async (sink: Sink) => {
    const tar = await TarMembers.open({ sink, format, level, threads, root, renamed, takeFrame, compress })
    return await complete({ members: tar, sink, add: () => addToTar(tar, options) }, options)
  }
  if (takeFrame === undefined) return await fill(await ArchiveFile.create(path!), write)
  const file = path === undefined ? new LosableFile() : await LosableFile.create(path)
  const written = await fill(file, write)
  return file.lost === undefined ? written : { ...written, lost: file.lost }
}

async function writeZip(options: WriteOptions): Promise<WrittenArchive> {
  const { path, level = DEFAULT_LEVEL.zip, root = '', renamed } = options
  return await fill(await ArchiveFile.create(path!), async (file) => {
    const zip = new ZipMembers({ file, level, root, renamed })
    return await complete({ members: zip, sink: file, add: () => addToZip(zip, options) }, options)
  })
}

/** The members go to a program, which fills the file. */
async function writeImage(options: WriteOptions): Promise<WrittenArchive> {
  const { path, makeImage, inImage } = options
  if (path === undefined || makeImage === undefined) throw new TypeError('nobody makes the image')
  return await fill(await ArchiveFile.create(path), async (file) => {
    const asIs = new ImageMembers(file, makeImage(path))
    const members = inImage?.(asIs) ?? asIs
    return await complete({ members, sink: file, add: () => addToTar(members, options) }, options)
  })
}

async function fill<S extends Sink>(sink: S, write: (sink: S) => Promise<WrittenArchive>): Promise<WrittenArchive> {
  let isComplete = false
  try {
    const written = await write(sink)
    isComplete = true
    return written
  } finally {
    await sink.end(isComplete)
  }
}

/** Writes the members, then the index. */
async function complete(
  { members, sink, add }: { members: MemberWriter; sink: Sink; add(): Promise<ArchivedEntry[]> },
  options: WriteOptions,
): Promise<WrittenArchive> {
  const { format, header } = options
  try {
    const entries = await add()
    const indexOffset = await members.finish()
    const index = { version: FORMAT_VERSION, format, ...header, entries, frames: [...members.frames] }
    throwIfCancelled(options)
    const data = endOf(index, indexOffset, members)
    await sink.write(data, indexOffset)
    return { index, start: OPENING[format], end: { offset: indexOffset, data } }
  } finally {
    await members.settle()
  }
}

/** The index and the bytes behind it. The index tells how many these are. */
function endOf(index: ArchiveIndex, indexOffset: number, members: MemberWriter): Buffer {
  const behind = members.closing(indexOffset, 0).length
  const container = encodeContainer(index, indexOffset, behind)
  return Buffer.concat([container, members.closing(indexOffset, container.length)])
}

type Other = DirectoryEntry | SymlinkEntry | HardlinkEntry

/**
 * A tar has the files in the order in which they come, then the hard links, then the directories, the deepest first, each
 * followed by the symbolic links in it. So no extractor has to put something into a folder whose mode forbids it or whose mtime
 * is set already, and the order of `items` is free.
 * (GNU tar puts off absolute links and those with '..', and only mends the mtime of a folder that stands right before.)
 */
async function addToTar(tar: TarWriter, options: WriteOptions): Promise<ArchivedEntry[]> {
  const files = [...(await takeOver(tar, options))]
  const others: Other[] = []
  for await (const item of options.items) {
    throwIfCancelled(options)
    if ('stored' in item) files.push(...(await addPacked(tar, item)))
    else if (item.entry.type === 'file') files.push(await addFile(tar, { ...item, entry: item.entry }, options))
    else others.push(item.entry)
  }
  await tar.endFiles()
  const entries = [...files, ...others].sort(byPath)
  await addBesides(tar, entries, options)
  for (const entry of closingOrder(others)) await tar.add(entry)
  return entries
}

/** A zip has each folder before what is in it, because unzip sets no mode or mtime on a folder that it finds in place. */
async function addToZip(zip: MemberWriter, options: WriteOptions): Promise<ArchivedEntry[]> {
  const files: ArchivedFile[] = []
  const others: Other[] = []
  for await (const item of options.items) {
    throwIfCancelled(options)
    if ('stored' in item) throw new TypeError('a zip has no frames of several files')
    if (item.entry.type === 'file') files.push(await addFile(zip, { ...item, entry: item.entry }, options))
    else others.push(item.entry)
    if (item.entry.type === 'directory') await zip.add(item.entry)
  }
  const entries = [...files, ...others].sort(byPath)
  await addBesides(zip, entries, options)
  for (const entry of closingOrder(others)) if (entry.type !== 'directory') await zip.add(entry)
  return entries
}

async function takeOver(tar: TarWriter, options: WriteOptions): Promise<readonly ArchivedFile[]> {
  if (options.reused === undefined) return []
  for await (const frames of options.reused.frames) {
    throwIfCancelled(options)
    await tar.takeOver(frames)
  }
  return options.reused.files
}

async function addPacked(tar: TarWriter, packed: PackedFrame): Promise<ArchivedFile[]> {
  const frame = await tar.addPacked(packed)
  return packed.files.map((file) => ({ ...file, frame }))
}

async function addBesides(
  members: MemberWriter,
  entries: readonly ArchivedEntry[],
  options: WriteOptions,
): Promise<void> {
  for (const { entry, content } of options.besides?.(entries) ?? [])
    if (entry.type === 'file') await addFile(members, { entry, content, beside: true }, options)
}

function closingOrder(entries: readonly Other[]): Other[] {
  const links = entries.filter((entry) => entry.type === 'hardlink')
  const directories = entries.filter((entry) => entry.type === 'directory')
  const inside = new Map<BytePath, SymlinkEntry[]>(directories.map(({ path }) => [path, []]))
  for (const entry of entries) if (entry.type === 'symlink') inside.get(parentOf(entry.path))?.push(entry)
  const deepestFirst = directories.sort(byPath).reverse()
  return [...links, ...deepestFirst.flatMap((folder) => [folder, ...(inside.get(folder.path) ?? [])])]
}

async function addFile(
  members: MemberWriter,
  { entry, content, beside = false }: { entry: FileEntry; content?: Content | undefined; beside?: boolean },
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
  }
  if (size < entry.size) throw changed(entry, options, `it has ${size} bytes instead of ${entry.size}`)
  const facts = content.facts()
  await members.endFile(facts)
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
  const into = path === undefined ? '' : ` into ${path}`
  throw new StageError('CANCELLED', `Packing${into} was cancelled`, { ...(path && { path }), cause: signal.reason })
}
