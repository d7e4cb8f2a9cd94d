import { createHash } from 'node:crypto'
import { constants, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StageError } from '../errors.ts'
import type { ArchivedEntry, ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import { LEAVE } from '../model/auto-scripts.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { Relocation, Siblings } from '../model/relocation.ts'
import { closeReadSync } from '../platform/close.ts'
import { errnoOf, isMistake, isOfLimits, meaningOf, withPath } from '../platform/errno.ts'
import { READ_ONLY } from '../platform/fd.ts'
import { applyToChunk } from '../relocate/apply.ts'
import { planRelocation, type RelocationPlan, reversePlan } from '../relocate/plan.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import { relocateLink, relocateTarget } from '../relocate/symlink.ts'
import { isOwnOfBase } from './base-files.ts'
import { whyHarmless } from './harmless.ts'
import { readKeptIndex } from './kept-index.ts'
import { stagedModes } from './modes.ts'
import { HISTORY, isOwnFile, OWNER_WRITES } from './own-files.ts'
import { findStage, type StageRecord } from './record.ts'
import { isOfBase, PYVENV_CFG } from './venv-base.ts'

/** A difference between a copy and a fresh one. */
export interface Finding {
  path: BytePath
  /**
   * - prefix: the file holds the original prefix, or the symbolic link leads there
   * - changed: its bytes, target or type differ from the archive
   * - mode: its permission bits differ
   * - missing: it is in the archive, but not in the copy
   * - added: it is in the copy, but not in the archive
   */
  kind: 'prefix' | 'changed' | 'mode' | 'missing' | 'added'
  why: string
  /** False if a program that runs from the copy may reach the original, or if the copy is damaged. */
  harmless: boolean
}

const OPENED = "an archive or a database, which can't be edited; whatever opens it would reach the original"

/** Number of files between two checks of the signal. */
const BATCH = 256

const CHUNK = 1024 * 1024

/**
 * Compares a stage byte for byte with the index of its archive, and searches all files for the original prefixes, if it is meant to
 * have none.
 * A user's changes in a writable stage are listed as harmless.
 * @throws StageError NOT_STAGED, CANCELLED, ARCHIVE_DAMAGED (the stage's copy of the index)
 */
export async function verifyStage(
  prefix: string,
  {
    signal,
    onChecked,
  }: { signal?: AbortSignal | undefined; onChecked?: (files: number, totalFiles: number) => void } = {},
): Promise<Finding[]> {
  const stage = await findStage(prefix)
  if (stage === undefined)
    throw new StageError('NOT_STAGED', `${prefix} is not a staged environment`, {
      path: prefix,
      hint: 'Name a staged environment with --prefix=STAGED, or activate it.',
    })
  const index = await readKeptIndex(stage.folder)
  const verifier = new Verifier(stage.record, index)
  const known = new Set(index.entries.map(({ path }) => path))
  let looked = 0
  const step = async (path: BytePath, look: () => void): Promise<void> => {
    try {
      look()
    } catch (error) {
      verifier.unreadable(path, error)
    }
    if (++looked % BATCH !== 0) return
    onChecked?.(looked, index.entries.length)
    await nextTurn()
    if (signal?.aborted)
      throw new StageError('CANCELLED', `Verifying ${prefix} was cancelled`, { cause: signal.reason })
  }
  for (const entry of index.entries) await step(entry.path, () => verifier.known(entry))
  for (const path of walk(prefix, (folder, error) => verifier.unreadable(folder, error)))
    if (!known.has(path) && !path.startsWith(LEAVE)) await step(path, () => verifier.added(path))
  return verifier.findings
}

class Verifier {
  readonly findings: Finding[] = []
  readonly #record: StageRecord
  readonly #prefixes: readonly string[]
  readonly #siblings: Siblings | undefined
  readonly #entries: readonly ArchivedEntry[]
  /** Shared by all files: allocating a megabyte for each of 30,000 files costs more than reading them. */
  readonly #chunk = Buffer.allocUnsafe(CHUNK)
  readonly #modes: ReturnType<typeof stagedModes>
  /** What replaced the original prefixes; undefined: they have stayed. */
  readonly #to: string | undefined

  constructor(record: StageRecord, index: ArchiveIndex) {
    this.#record = record
    this.#prefixes = index.prefixes
    this.#siblings = index.siblings
    this.#entries = index.entries
    this.#modes = stagedModes(record.readOnly)
    this.#to = record.form === undefined || record.form === 'mount' ? record.prefix : undefined
  }

  known(entry: ArchivedEntry): void {
    const { path, type } = entry
    const facts = this.#lstat(path)
    if (facts === undefined) this.#differs(path, 'missing', 'is in the archive, but not here')
    else if (typeOf(facts) !== (type === 'hardlink' ? 'file' : type))
      this.#differs(path, 'changed', `is a ${typeOf(facts)} here and a ${type} in the archive`)
    else this.#compare(entry, facts)
  }

  added(path: BytePath): void {
    const facts = this.#lstat(path)
    if (facts === undefined || isOwnFile(this.#record.prefix, path) || isOwnOfBase(this.#record, path)) return
    this.findings.push({ path, kind: 'added', why: 'is not in the archive', harmless: true })
    if (facts.isSymbolicLink()) this.#symlink(path)
    else if (facts.isFile()) this.#scan(path, facts.size)
  }

  /** The copy may have been damaged in any way: what can't be read is not as it was staged. */
  unreadable(path: BytePath, error: unknown): void {
    const errno = errnoOf(error)
    if (errno === undefined || isMistake(errno) || isOfLimits(errno)) throw error
    this.findings.push({ path, kind: 'changed', why: `can't be read: ${meaningOf(errno)}`, harmless: false })
  }

  #compare(entry: ArchivedEntry, facts: Stats): void {
    const { path, type } = entry
    const mode = facts.mode & 0o7777
    const expected = type === 'directory' ? this.#modes.folder(entry.mode) : this.#modes.file(entry.mode)
    const free = path === HISTORY ? OWNER_WRITES : 0
    // mksquashfs takes no mode of the top folder from a tar.
    const isTopOfImage = path === '' && this.#record.form === 'mount'
    if (type !== 'symlink' && !isTopOfImage && (mode | free) !== (expected | free))
      this.#differs(path, 'mode', `has mode ${octal(mode)} instead of ${octal(expected)}`)
    if (type === 'symlink') this.#symlink(path, this.#to ? relocateLink(entry, this.#prefixes, this.#to) : entry.target)
    else if (type === 'file') this.#file(entry, facts)
    else if (type === 'hardlink' && this.#lstat(entry.target)?.ino !== facts.ino) {
      // A disk without hard links has a further file instead.
      const target = this.#entries.find((other) => other.type === 'file' && other.path === entry.target)
      this.#file(target as ArchivedFile, facts, path)
    }
  }

  #symlink(path: BytePath, expected?: BytePath): void {
    const target = readlinkSync(fsPath(this.#record.prefix, path), 'latin1')
    if (expected !== undefined && target !== expected && !isOfBase(target, this.#record.base))
      this.#differs(path, 'changed', `leads to ${displayPath(target)} instead of ${displayPath(expected)}`)
    if (this.#to === undefined || relocateTarget(target, this.#prefixes, '') === target) return
    const why = `is a symbolic link to the original: ${displayPath(target)}`
    this.findings.push({ path, kind: 'prefix', why, harmless: false })
  }

  /** @param path of the file or of a further one with the same content */
  #file(entry: ArchivedFile, facts: Stats, path = entry.path): void {
    const { relocation } = entry
    const { digests } = this.#record
    // A file may have the name of a property that all objects have.
    const expected = Object.hasOwn(digests, entry.path) ? digests[entry.path] : entry.digest
    const leadsToBase = this.#record.base !== undefined && entry.path === PYVENV_CFG
    const plan =
      relocation && this.#to && !leadsToBase ? planRelocation(relocation, entry, this.#prefixes, this.#to) : undefined
    const digest = this.#scan(path, facts.size, entry, plan?.sameLength ? plan : undefined)
    if (digest !== expected) this.#differs(path, 'changed', 'has other bytes than the archive')
  }

  /**
   * Searches for the original prefixes, and returns the digest of the bytes as they were before `plan`, which keeps
   * all lengths. Returns undefined if the bytes are not those that the plan wrote.
   */
  #scan(path: BytePath, size: number, entry?: ArchivedFile, plan?: RelocationPlan): string | undefined {
    const file = { path, size, ...(entry?.placeholder && { placeholder: entry.placeholder }) }
    const scanner = this.#to ? new PrefixScanner(this.#prefixes, file, this.#siblings) : undefined
    const hash = createHash('sha256')
    const undo = plan && reversePlan(plan)
    let [position, intact] = [0, true]
    for (const chunk of chunksOf(fsPath(this.#record.prefix, path), this.#chunk)) {
      scanner?.push(chunk)
      const staged = undo && Buffer.from(chunk)
      if (undo) applyToChunk(chunk, position, undo)
      hash.update(chunk)
      if (plan) applyToChunk(chunk, position, plan)
      intact &&= staged === undefined || chunk.equals(staged)
      position += chunk.length
    }
    if (scanner) this.#prefixFound(path, scanner.finish(), scanner.unsure)
    return intact ? digestFrom(hash.digest('hex')) : undefined
  }

  /** @param unsure number of places that may be another path, and were left for that reason */
  #prefixFound(path: BytePath, relocation: Relocation | undefined, unsure: number): void {
    if (unsure > 0) {
      const why = `may hold the original prefix in ${places(unsure)}: after another path or other data, or at the end of a path through '..'`
      this.findings.push({ path, kind: 'prefix', why, harmless: false })
    }
    const count = relocation === undefined ? 0 : relocation.occurrences.length + (relocation.sealed ?? 0)
    if (relocation === undefined || count === 0) return
    const harmless = whyHarmless(path, relocation)
    const where = places(count)
    const reason = harmless ?? (relocation.readable ? OPENED : 'whatever reads it would reach the original')
    const why = `holds the original prefix in ${where}: ${reason}`
    this.findings.push({ path, kind: 'prefix', why, harmless: harmless !== undefined })
  }

  /** In a writable stage the user made such changes. Python itself renews any `.pyc` that seems stale. */
  #differs(path: BytePath, kind: Finding['kind'], why: string): void {
    this.findings.push({ path, kind, why, harmless: !this.#record.readOnly || path.endsWith('.pyc') })
  }

  #lstat(path: BytePath): Stats | undefined {
    return lstatSync(fsPath(this.#record.prefix, path), { throwIfNoEntry: false })
  }
}

function typeOf(facts: Stats): 'file' | 'directory' | 'symlink' | 'special file' {
  if (facts.isFile()) return 'file'
  if (facts.isDirectory()) return 'directory'
  return facts.isSymbolicLink() ? 'symlink' : 'special file'
}

const places = (count: number): string => (count === 1 ? 'one place' : `${count} places`)

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

/** Everything below the root, whatever is there. */
function* walk(root: string, onError: (folder: BytePath, error: unknown) => void): Generator<BytePath> {
  const folders: BytePath[] = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const child of childrenOf(root, folder, onError)) {
      const name = child.name.toString('latin1')
      const path = folder === '' ? name : `${folder}/${name}`
      yield path
      if (child.isDirectory()) folders.push(path)
    }
  }
}

function childrenOf(root: string, folder: BytePath, onError: (folder: BytePath, error: unknown) => void) {
  try {
    return readdirSync(fsPath(root, folder), { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    onError(folder, error)
    return []
  }
}

/** Reads a file into `chunk`, piece after piece. Each piece is valid until the next is requested. */
function* chunksOf(path: Buffer, chunk: Buffer): Generator<Buffer> {
  const fd = openSync(path, READ_ONLY | constants.O_NOFOLLOW)
  try {
    for (;;) {
      const count = readNext(fd, chunk, path)
      if (count === 0) return
      yield chunk.subarray(0, count)
    }
  } finally {
    closeReadSync(fd)
  }
}

/** A failed read does not name its file by itself. */
function readNext(fd: number, chunk: Buffer, path: Buffer): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, null)
  } catch (error) {
    throw withPath(error, displayPath(path.toString('latin1')))
  }
}
