import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { asReadFailure, foreign } from '../../archive/failure.ts'
import { Malformed } from '../../archive/read/malformed.ts'
import type { Member } from '../../archive/read/member.ts'
import { NoTar } from '../../archive/read/tar-members.ts'
import { StageError } from '../../errors.ts'
import type { BytePath } from '../../model/byte-path.ts'
import { digestFrom } from '../../model/digest.ts'
import type { Entry, FileEntry } from '../../model/entry.ts'
import type { ArchiveItem, Content, Facts, Scanner } from '../../model/item.ts'
import type { Siblings } from '../../model/relocation.ts'
import { errnoOf } from '../../platform/errno.ts'
import { PrefixScanner } from '../../relocate/scan.ts'
import { changePrefixInFile } from '../change-prefix.ts'
import { foldersAbove, MemberTree } from './member-tree.ts'
import { type ForeignKind, kindOfArchive, membersOf } from './members.ts'
import { type Placeholders, readPlaceholders } from './placeholders.ts'

/** An archive that conda-pack made, after one pass over its members. */
export interface CondaPackArchive {
  path: string
  kind: ForeignKind
  /** Folder of the archive that holds the environment, with a slash at its end, or ''. */
  root: BytePath
  placeholders: Placeholders
  tree: MemberTree
}

/** No script of conda-pack's is this large. */
const SCRIPT_LIMIT = 64 * 1024 * 1024

/**
 * Takes an archive for one of conda-pack's if it holds a `bin/conda-unpack` with a list of prefixes.
 * @throws StageError ARCHIVE_FOREIGN if it does not; ARCHIVE_DAMAGED
 */
export async function openCondaPack(path: string, handle: FileHandle): Promise<CondaPackArchive> {
  const kind = await kindOfArchive(handle)
  if (kind === undefined) throw foreign(path)
  try {
    const tree = new MemberTree()
    let found: { root: BytePath; placeholders: Placeholders } | undefined
    for await (const member of membersOf(handle, kind)) {
      tree.add(member)
      const root = /^(|.*\/)bin\/conda-unpack$/s.exec(member.path)?.[1]
      if (root === undefined || member.type !== 'file' || member.size > SCRIPT_LIMIT) continue
      const placeholders = readPlaceholders((await gathered(member.content)).toString('utf8'))
      if (placeholders) found = { root, placeholders }
    }
    if (found === undefined) throw foreign(path, 'was written neither by conda-stage nor by conda-pack')
    tree.finish(found.root)
    return { path, kind, ...found, tree }
  } catch (error) {
    throw asFailure(error, path)
  }
}

export interface CondaPackOptions {
  prefixes: readonly string[]
  siblings?: Siblings
  mtimeNs: bigint
  /** A file in whose folder there is room for a large file. */
  beside: string
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
  options: CondaPackOptions,
): AsyncGenerator<ArchiveItem> {
  try {
    yield* itemsOf(archive, handle, options)
  } catch (error) {
    throw asFailure(error, archive.path)
  }
}

async function* itemsOf(
  { path: archive, kind, root, placeholders, tree }: CondaPackArchive,
  handle: FileHandle,
  { prefixes, siblings, mtimeNs, beside, onNoRoom }: CondaPackOptions,
): AsyncGenerator<ArchiveItem> {
  const makeScanner = (entry: FileEntry) => new PrefixScanner(prefixes, entry, siblings)
  const folders = new Map<BytePath, Entry>([['', { type: 'directory', path: '', mode: 0o755, mtimeNs }]])
  let at = 0
  for await (const member of membersOf(handle, kind)) {
    if (!tree.counts(member, at++) || !member.path.startsWith(root)) continue
    const below = member.path.slice(root.length)
    for (const folder of foldersAbove(below))
      if (!folders.has(folder)) folders.set(folder, { type: 'directory', path: folder, mode: 0o755, mtimeNs })
    const entry = entryOf(member, below)
    if (entry.type === 'directory') folders.set(below, entry)
    else if (entry.type !== 'file') yield { entry }
    else if (entry.placeholder === undefined)
      yield { entry, content: scanned(entry, named(member.content, archive), makeScanner(entry)) }
    else {
      // conda-unpack asks nothing of what stands around a placeholder.
      const from = [entry.placeholder.text]
      const content = scanned(entry, named(member.content, archive), new PrefixScanner(from, entry, [[]]))
      yield* changePrefixInFile(entry, content, { from, to: prefixes[0]!, makeScanner, beside, onNoRoom })
    }
  }
  if (at !== tree.count) throw new Malformed('it changed while it was read')
  for (const entry of folders.values()) yield { entry }

  function entryOf({ path, type, mode, mtimeNs, size, target }: Member, below: BytePath): Entry {
    const common = { path: below, mode, mtimeNs }
    if (type === 'symlink') return { type, ...common, mode: 0o777, target }
    if (type === 'hardlink') return { type, ...common, target: tree.linkedFile(path, root).slice(root.length) }
    if (type === 'directory') return { type, ...common }
    const placeholder = placeholders.get(below)
    return { type, ...common, size, ...(placeholder && { placeholder }) }
  }
}

/**
 * Reads all of a tar or a zip, as strictly as if it were to be staged, whoever made it.
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_DAMAGED
 */
export async function readWhole(
  path: string,
  handle: FileHandle,
  onMember: (files: number) => void,
): Promise<{ files: number; bytes: number }> {
  const kind = await kindOfArchive(handle)
  if (kind === undefined) throw foreign(path)
  const tree = new MemberTree()
  let [files, bytes] = [0, 0]
  try {
    for await (const member of membersOf(handle, kind)) {
      tree.add(member)
      for await (const chunk of member.content) bytes += chunk.length
      if (member.type === 'file') onMember(++files)
    }
    tree.finish('')
    return { files, bytes }
  } catch (error) {
    throw asFailure(error, path)
  }
}

/** Whoever reads the content does not know whose it is. */
async function* named(content: AsyncIterable<Buffer>, archive: string): AsyncGenerator<Buffer> {
  try {
    yield* content
  } catch (error) {
    throw asFailure(error, archive)
  }
}

/** What reads an archive does not know its name. Errors of whoever takes the items stay as they are. */
function asFailure(cause: unknown, path: string): unknown {
  if (cause instanceof StageError) return cause
  if (errnoOf(cause) !== undefined) return asReadFailure(cause, path)
  if (cause instanceof NoTar) return foreign(path)
  const what =
    cause instanceof Malformed ? `is damaged: ${cause.message}` : `can't be read: ${(cause as Error).message}`
  return new StageError('ARCHIVE_DAMAGED', `The archive ${path} ${what}`, {
    path,
    hint: 'Make it again with conda-pack, or leave out --output to let conda-stage pack the environment.',
    cause,
  })
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

async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}
