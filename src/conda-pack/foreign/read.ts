import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { damaged, foreign } from '../../archive/failure.ts'
import { StageError } from '../../errors.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import type { Entry, FileEntry } from '../../model/entry.ts'
import type { ArchiveItem, Content, Facts, Scanner } from '../../model/item.ts'
import type { Siblings } from '../../model/relocation.ts'
import { PrefixScanner } from '../../relocate/scan.ts'
import { rewriteFile } from '../rewrite.ts'
import { type ForeignKind, type ForeignMember, kindOfArchive, membersOf, whole } from './members.ts'
import { type Placeholders, readPlaceholders } from './unpack-script.ts'

/** An archive that conda-pack made, looked through once. */
export interface CondaPackArchive {
  path: string
  kind: ForeignKind
  /** Folder of the archive in which the environment is, with a slash behind it, or ''. */
  root: BytePath
  placeholders: Placeholders
  /** Which of several members of one path is the last, which counts. */
  last: Map<BytePath, number>
}

/** More than any script of conda-pack's; what is larger is something else. */
const SCRIPT_LIMIT = 256 * 1024 * 1024

/**
 * Looks whether conda-pack made it: whether there is a `bin/conda-unpack` with a list of prefixes in it.
 * @throws StageError ARCHIVE_FOREIGN where it did not; ARCHIVE_DAMAGED
 */
export async function openCondaPack(path: string, handle: FileHandle): Promise<CondaPackArchive> {
  const kind = await kindOfArchive(handle)
  if (kind === undefined) throw foreign(path)
  const last = new Map<BytePath, number>()
  let found: { root: BytePath; placeholders: Placeholders } | undefined
  let at = 0
  for await (const member of identifiable(path, read(path, handle, kind))) {
    last.set(member.path, at++)
    const root = /^(|.*\/)bin\/conda-unpack$/s.exec(member.path)?.[1]
    if (root === undefined || member.type !== 'file' || member.size > SCRIPT_LIMIT) continue
    const placeholders = readPlaceholders((await whole(member.content)).toString('utf8'))
    if (placeholders) found = { root, placeholders }
  }
  if (found === undefined) throw foreign(path, 'was written neither by conda-stage nor by conda-pack')
  return { path, kind, ...found, last }
}

export interface CondaPackOptions {
  prefixes: readonly string[]
  siblings?: Siblings
  mtimeNs: bigint
  onLeft(path: BytePath): void
}

/**
 * What conda-unpack would make of it at `prefixes[0]`, as things to pack: each placeholder replaced, and the rest looked
 * through for `prefixes` like the files of an environment. Folders, of which conda-pack keeps empty ones only, come last.
 * @throws StageError ARCHIVE_DAMAGED
 */
export async function* condaPackItems(
  archive: CondaPackArchive,
  handle: FileHandle,
  { prefixes, siblings, mtimeNs, onLeft }: CondaPackOptions,
): AsyncGenerator<ArchiveItem> {
  const { path, kind, root, placeholders, last } = archive
  const from = [...new Set([...placeholders.values()].map(({ text }) => text))]
  // conda-unpack asks nothing of what stands around a placeholder.
  const everywhere = from.map(() => [])
  const makeScanner = (entry: FileEntry) => new PrefixScanner(prefixes, entry, siblings)
  const folders = new Map<BytePath, Entry>()
  let at = 0
  for await (const member of read(path, handle, kind)) {
    if (last.get(member.path) !== at++ || !member.path.startsWith(root)) continue
    const below = member.path.slice(root.length)
    for (const folder of foldersAbove(below))
      if (!folders.has(folder)) folders.set(folder, { type: 'directory', path: folder, mode: 0o755, mtimeNs })
    const entry = entryOf({ ...member, path: below }, root, placeholders)
    if (entry.type === 'directory') folders.set(below, entry)
    else if (entry.type !== 'file') yield { entry }
    else if (entry.placeholder === undefined)
      yield { entry, content: scanned(entry, member.content, makeScanner(entry)) }
    else {
      const content = await scannedWhole(entry, member.content, new PrefixScanner(from, entry, everywhere))
      yield await rewriteFile(entry, content, { from, to: prefixes[0]!, makeScanner, onLeft })
    }
  }
  for (const entry of folders.values()) yield { entry }
}

/** A file that begins like an archive but has no member that can be read is nobody's damaged archive. */
async function* identifiable(path: string, members: AsyncIterable<ForeignMember>): AsyncGenerator<ForeignMember> {
  let isArchive = false
  try {
    for await (const member of members) {
      isArchive = true
      yield member
    }
  } catch (error) {
    throw isArchive ? error : foreign(path)
  }
}

/** The members, with errors that name the archive, and none whose path leads elsewhere. */
async function* read(path: string, handle: FileHandle, kind: ForeignKind): AsyncGenerator<ForeignMember> {
  try {
    for await (const member of membersOf(handle, kind)) {
      if (member.path.startsWith('/') || member.path.split('/').includes('..') || member.path.includes('\0'))
        throw damaged(path, `a member leads out of it: ${displayPath(member.path)}`)
      if (member.path !== '') yield member
    }
  } catch (cause) {
    if (cause instanceof StageError) throw cause
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new StageError('ARCHIVE_DAMAGED', `The archive ${path} can't be read: ${what}`, {
      path,
      hint: 'Make it anew with conda-pack, or leave out --output to have conda-stage pack the environment.',
      cause,
    })
  }
}

function entryOf(member: ForeignMember, root: BytePath, placeholders: Placeholders): Entry {
  const { path, type, mode, mtimeNs, size, target } = member
  if (type === 'symlink') return { type, path, mode: 0o777, mtimeNs, target }
  if (type === 'hardlink') return { type, path, mode, mtimeNs, target: target.replace(/^\.\//, '').slice(root.length) }
  if (type === 'directory') return { type, path, mode, mtimeNs }
  const placeholder = placeholders.get(path)
  return { type, path, mode, mtimeNs, size, ...(placeholder && { placeholder }) }
}

function* foldersAbove(path: BytePath): Generator<BytePath> {
  yield ''
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) yield path.slice(0, at)
}

async function scannedWhole(entry: FileEntry, chunks: AsyncIterable<Buffer>, scanner: Scanner): Promise<Content> {
  const content = scanned(entry, chunks, scanner)
  const data = await whole(content.chunks as AsyncIterable<Buffer>)
  return { chunks: data, facts: content.facts }
}

function scanned({ path }: FileEntry, source: AsyncIterable<Buffer>, scanner: Scanner): Content {
  let facts: Facts | undefined
  async function* chunks(): AsyncGenerator<Buffer> {
    const hash = createHash('sha256')
    for await (const chunk of source) {
      hash.update(chunk)
      scanner.push(chunk)
      yield chunk
    }
    const relocation = scanner.finish()
    facts = { digest: hash.digest('hex').slice(0, 32), ...(relocation && { relocation }) }
  }
  return {
    chunks: chunks(),
    facts() {
      if (facts === undefined) throw new Error(`facts() of ${path} asked for before its content was consumed`)
      return facts
    },
  }
}
