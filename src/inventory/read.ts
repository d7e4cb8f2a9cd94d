import { createHash } from 'node:crypto'
import { type BytePath, fsPath } from '../model/byte-path.ts'
import type { FileEntry, SymlinkEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, Facts, Scanner } from '../model/item.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { lstatPath } from '../platform/fd.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { readlink } from '../platform/remote-fs.ts'
import { isGone } from '../platform/unreadable.ts'
import { throwIfCancelled } from './cancel.ts'
import type { EarlyReads } from './early-reads.ts'
import { factsOf, factsOfWhole, fileEntry } from './facts.ts'
import { Inodes } from './inodes.ts'
import { isTransient, listError } from './list.ts'
import { archiveOrder } from './order.ts'
import { PiecedFile } from './pieced-file.ts'
import { type FileOrder, ReadAhead, type ReadResult } from './read-ahead.ts'

export interface ReadOptions {
  /** Looks for prefixes in one file. */
  makeScanner(entry: FileEntry): Scanner
  /** Files that are opened and read at once. */
  concurrency?: number
  /** Files that were read before the listing ended. */
  early?: EarlyReads | undefined
  /** Without them: the file system may never answer. */
  mayHang?: boolean
  /** Called with each piece of content: its bytes and, if it ends a file, that file's path. A further name has no bytes. */
  onRead?(bytes: number, ended: BytePath | undefined): void
  signal?: AbortSignal
}

/** Some of them wait for the first file in their folder, or for their mtime to settle. The pool of threads bounds the requests. */
const FILES_AT_ONCE = 2 * IN_FLIGHT

/**
 * Gives everything in the environment in the order of `archiveOrder`, with the content of files, which is read ahead. A
 * file's size, mode and mtime are those of the open file. Its inode shows whether it is a further name of a file that came
 * before; it is given as a hard link then. Files up to 1 MiB come whole, larger ones in pieces, which must be consumed before
 * the next item is asked for. Memory stays bounded whatever the sizes. The original is only read.
 * @throws StageError UNREADABLE, CHANGED (vanished since the listing, or written to while it was read), CANCELLED.
 */
export async function* readItems(
  environment: { prefix: string },
  entries: readonly Listed[],
  options: ReadOptions,
): AsyncGenerator<ArchiveItem> {
  const { files, ...others } = archiveOrder(entries)
  yield* readOthers(environment, others, options)
  yield* readFiles({ prefix: environment.prefix, files, inodes: new Inodes() }, options)
}

/** Everything but the files. */
export async function* readOthers(
  { prefix }: { prefix: string },
  { folders, symlinks }: Pick<ReturnType<typeof archiveOrder>, 'folders' | 'symlinks'>,
  options: ReadOptions,
): AsyncGenerator<ArchiveItem> {
  for (const entry of folders) yield { entry }
  for (const entry of await readLinks(prefix, symlinks, options)) yield { entry }
}

/** The files from number `from` on, up to but without number `until`. */
export async function* readFiles(
  order: FileOrder,
  { from, until, ...options }: ReadOptions & { from?: number; until?: number },
): AsyncGenerator<ArchiveItem> {
  const { prefix, files } = order
  const { concurrency = FILES_AT_ONCE, early, mayHang } = options
  const ahead = new ReadAhead(order, { concurrency, early, mayHang, from, until })
  try {
    for (const file of files.slice(from, until)) {
      throwIfCancelled(options.signal, prefix)
      const item = itemOf(file, await ahead.next(), options)
      if (item?.content === undefined) options.onRead?.(0, file.path)
      if (item) yield item
      ahead.release()
    }
  } finally {
    await ahead.close()
  }
}

async function readLinks(
  prefix: string,
  names: readonly ListedName[],
  { signal }: ReadOptions,
): Promise<SymlinkEntry[]> {
  const found = new Map<BytePath, SymlinkEntry>()
  await drain([...names], IN_FLIGHT, async ({ path }) => {
    throwIfCancelled(signal, prefix)
    try {
      const name = fsPath(prefix, path)
      const { mode, mtimeNs } = await lstatPath(name)
      const target = await readlink(name, 'latin1')
      found.set(path, { type: 'symlink', path, mode: Number(mode & 0o7777n), mtimeNs, target })
    } catch (error) {
      if (!(isGone(error) && isTransient(path))) throw listError(prefix, path, error)
    }
  })
  return names.flatMap(({ path }) => found.get(path) ?? [])
}

function itemOf(name: ListedName, read: ReadResult, options: ReadOptions): ArchiveItem | undefined {
  if (read === undefined) return undefined
  if ('link' in read) {
    const { mode, mtimeNs } = read.facts
    return { entry: { type: 'hardlink', path: name.path, mode, mtimeNs, target: read.link } }
  }
  const entry = fileEntry(name, read.facts)
  const content =
    read instanceof PiecedFile
      ? piecedContent(entry, read.pieces(), options)
      : wholeContent(entry, read.content, options)
  return { entry, content }
}

function wholeContent(entry: FileEntry, content: Buffer, { makeScanner, onRead }: ReadOptions): Content {
  const facts = factsOfWhole(content, makeScanner(entry))
  onRead?.(content.length, entry.path)
  return { chunks: content, facts: () => facts }
}

function piecedContent(entry: FileEntry, pieces: AsyncIterable<Buffer>, options: ReadOptions): Content {
  const scanner = options.makeScanner(entry)
  const digest = createHash('sha256')
  let facts: Facts | undefined
  async function* chunks(): AsyncGenerator<Buffer> {
    let done = 0
    for await (const piece of pieces) {
      throwIfCancelled(options.signal, entry.path)
      digest.update(piece)
      scanner.push(piece)
      done += piece.length
      if (done === entry.size) facts = factsOf(digest.digest('hex'), scanner)
      options.onRead?.(piece.length, done === entry.size ? entry.path : undefined)
      yield piece
    }
  }
  return {
    chunks: chunks(),
    facts() {
      if (facts === undefined) throw new Error(`facts() of ${entry.path} asked for before its content was consumed`)
      return facts
    },
  }
}
