import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { damaged, foreign } from '../../archive/failure.ts'
import { StageError } from '../../errors.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import { digestFrom } from '../../model/digest.ts'
import type { Entry, FileEntry } from '../../model/entry.ts'
import type { ArchiveItem, Content, Facts, Scanner } from '../../model/item.ts'
import type { Siblings } from '../../model/relocation.ts'
import { PrefixScanner } from '../../relocate/scan.ts'
import { changePrefixInFile } from '../change-prefix.ts'
import { type Placeholders, readPlaceholders } from './placeholders.ts'
import { type ForeignKind, type ForeignMember, gathered, kindOfArchive, membersOf } from './tar-and-zip.ts'

/** An archive that conda-pack made, after one pass over its members. */
export interface CondaPackArchive {
  path: string
  kind: ForeignKind
  /** Folder of the archive that holds the environment, with a slash at its end, or ''. */
  root: BytePath
  placeholders: Placeholders
  /** Number of the last member of each path: it is the one that counts. */
  last: Map<BytePath, number>
}

/** No script of conda-pack's is this large. */
const SCRIPT_LIMIT = 256 * 1024 * 1024

/**
 * Takes an archive for one of conda-pack's if it holds a `bin/conda-unpack` with a list of prefixes.
 * @throws StageError ARCHIVE_FOREIGN if it does not; ARCHIVE_DAMAGED
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
    const placeholders = readPlaceholders((await gathered(member.content)).toString('utf8'))
    if (placeholders) found = { root, placeholders }
  }
  if (found === undefined) throw foreign(path, 'was written neither by conda-stage nor by conda-pack')
  return { path, kind, ...found, last }
}

export interface CondaPackOptions {
  prefixes: readonly string[]
  siblings?: Siblings
  mtimeNs: bigint
  onNoRoom(path: BytePath): void
}

/**
 * Gives what the environment would be after conda-unpack at `prefixes[0]`, as items to pack. Placeholders are replaced. All
 * other files are searched for `prefixes`, like those of an environment. Folders come last: conda-pack keeps only empty
 * ones, so the others have to be inferred.
 * @throws StageError ARCHIVE_DAMAGED
 */
export async function* condaPackItems(
  archive: CondaPackArchive,
  handle: FileHandle,
  { prefixes, siblings, mtimeNs, onNoRoom }: CondaPackOptions,
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
      yield await changePrefixInFile(entry, content, { from, to: prefixes[0]!, makeScanner, onNoRoom })
    }
  }
  for (const entry of folders.values()) yield { entry }
}

/** A file that begins like an archive but has no readable member is foreign rather than damaged. */
async function* identifiable(path: string, members: AsyncIterable<ForeignMember>): AsyncGenerator<ForeignMember> {
  let isArchive = false
  try {
    for await (const member of members) {
      isArchive = true
      yield member
    }
  } catch (error) {
    const isMissingProgram = error instanceof StageError && error.code === 'NO_PROGRAM'
    throw isArchive || isMissingProgram ? error : foreign(path)
  }
}

/** Gives the members. Errors name the archive, and a member whose path leads out of it is one. */
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
      hint: 'Make it again with conda-pack, or leave out --output to let conda-stage pack the environment.',
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
  const data = await gathered(content.chunks as AsyncIterable<Buffer>)
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
    facts = { digest: digestFrom(hash.digest('hex')), ...(relocation && { relocation }) }
  }
  return {
    chunks: chunks(),
    facts() {
      if (facts === undefined) throw new Error(`facts() of ${path} was called before its content was consumed`)
      return facts
    },
  }
}
