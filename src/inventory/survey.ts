import type { ArchivedEntry } from '../model/archive-index.ts'
import { type BytePath, byPath, fsPath, parentOf } from '../model/byte-path.ts'
import type { DirectoryEntry, Entry, FileEntry, HardlinkEntry } from '../model/entry.ts'
import { chooseSpotChecks } from '../model/watched.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { readdir, readlink, stat } from '../platform/remote-fs.ts'
import { isGone } from '../platform/unreadable.ts'
import { throwIfCancelled } from './cancel.ts'
import type { IsExcluded } from './exclusions.ts'
import { isTransient, listError, missing, type Skipped, typeOf } from './list.ts'
import { settled } from './settle.ts'
import { isUntouched, withKnownNames } from './unchanged.ts'
import { type EntryOfInode, linked, statsOf } from './walk.ts'

/** What conda's records say of one path. */
type Recorded = Required<Pick<FileEntry, 'package'>> & Pick<FileEntry, 'placeholder'>

export interface SurveyOptions {
  isExcluded: IsExcluded
  /** What the records `conda-meta/NAME.json` with these names say of the paths that they list. */
  recordsOf(names: readonly string[]): Promise<ReadonlyMap<BytePath, Recorded>>
  /** Look at everything and trust nothing that the archive knows. */
  full?: boolean
  /** The file system may never answer. */
  mayHang?: boolean
  signal?: AbortSignal
}

export interface Survey {
  /** Sorted by path; the first is the prefix itself (path ''). */
  entries: Entry[]
  /** Sockets, FIFOs and devices in folders that were listed. */
  skipped: Skipped[]
  /** Gone since the archive was written, or listed by a new record and not there. */
  missing: BytePath[]
}

/** Byte code. Python replaces it by renaming. */
const BYTE_CODE = /(?:^|\/)__pycache__\/[^/]+\.pyc$/
const RECORD = /^conda-meta\/([^/]+)\.json$/

/** A path to look at. `isListed`: its folder was listed just now, so it must be there. */
interface Pending {
  path: BytePath
  isListed: boolean
}

/**
 * What is in an environment now, found from an archive of it and a look at all folders. A folder whose mtime is the same has
 * the same names. In such a folder three kinds of things count as unchanged without a look: files that an unchanged conda
 * record lists, byte code, and links. Package managers and Python replace those, which changes the folder's mtime. All other
 * files are looked at. So an edit inside a file that conda installed is not seen, as with the quick check.
 *
 * @param known the archive's entries
 * @throws StageError UNREADABLE, CHANGED (something vanished), CANCELLED.
 */
export async function survey(
  environment: { prefix: string },
  known: readonly ArchivedEntry[],
  options: SurveyOptions,
): Promise<Survey> {
  const surveyor = new Surveyor(environment.prefix, known, options)
  await surveyor.lookAtRecords()
  const [read] = await Promise.all([options.recordsOf(surveyor.renewedRecords), surveyor.lookAtAll()])
  await surveyor.lookAtLinks()
  const found = withKnownNames(known, surveyor.found())
  const renewed = surveyor.isClear(found, read) ? read : await options.recordsOf(surveyor.allRecords())
  const entries = found.map((entry) => surveyor.withRecord(entry, renewed))
  const recorded = new Map(surveyor.stillRecorded())
  for (const [path, record] of renewed) recorded.set(path, record)
  const gone = missing(entries, { records: recorded, isExcluded: options.isExcluded })
  return { entries, skipped: surveyor.skipped.sort(byPath), missing: gone }
}

class Surveyor {
  readonly skipped: Skipped[] = []
  /** Names of records that are new or have changed. */
  renewedRecords: string[] = []
  readonly #prefix: string
  readonly #options: SurveyOptions
  readonly #pace: Pace
  readonly #known: ReadonlyMap<BytePath, ArchivedEntry>
  readonly #children = new Map<BytePath, ArchivedEntry[]>()
  readonly #found = new Map<BytePath, EntryOfInode>()
  /** Entries that count as unchanged without a look. */
  readonly #trusted = new Map<BytePath, ArchivedEntry>()
  /** Hard links in folders that are unchanged. */
  readonly #links: HardlinkEntry[] = []
  /** Names of records that have not changed. */
  readonly #sameRecords = new Set<string>()
  /** The quick check looks at these. If we trusted them, it would find the same edit again after each repack. */
  readonly #spotChecks: ReadonlySet<BytePath>

  constructor(prefix: string, known: readonly ArchivedEntry[], options: SurveyOptions) {
    this.#prefix = prefix
    this.#options = options
    this.#pace = new Pace(options)
    this.#known = new Map(known.map((entry) => [entry.path, entry]))
    this.#spotChecks = new Set(chooseSpotChecks(known))
    for (const entry of known) {
      if (entry.path === '') continue
      const folder = parentOf(entry.path)
      const children = this.#children.get(folder)
      if (children === undefined) this.#children.set(folder, [entry])
      else children.push(entry)
    }
  }

  /** Comes first: it decides which files are trusted. */
  async lookAtRecords(): Promise<void> {
    await this.#lookAt([{ path: 'conda-meta', isListed: false }])
    for (const [path, { entry }] of this.#found) {
      const name = RECORD.exec(path)?.[1]
      if (name === undefined) continue
      const old = this.#known.get(path)
      const isSame = old?.type === 'file' && entry.type === 'file' && isUntouched(old, entry)
      if (isSame && !this.#options.full) this.#sameRecords.add(name)
      else this.renewedRecords.push(name)
    }
    this.renewedRecords.sort()
  }

  lookAtAll(): Promise<void> {
    return this.#lookAt([{ path: '', isListed: true }])
  }

  /** A name whose file was looked at under another name must be looked at too: only the inode shows that they are one file. */
  async lookAtLinks(): Promise<void> {
    const pending: BytePath[] = []
    for (const link of this.#links) {
      if (this.#trusted.has(link.target)) this.#trusted.set(link.path, link)
      else pending.push(link.path)
    }
    await this.#lookAt(pending.map((path) => ({ path, isListed: false })))
    const again = this.#namesOfLinkedFiles()
    for (const { path } of again) this.#trusted.delete(path)
    await this.#lookAt(again)
  }

  /**
   * Whether the records that were read are enough to say which package each file belongs to. The archive knows the packages of
   * files only, so for a path that was something else the other records are needed. They are not read for new files, such as
   * everything that pip installs: a file that conda recorded, that was gone, and that was put back by hand counts as a file of
   * no package.
   */
  isClear(entries: readonly Entry[], renewed: ReadonlyMap<BytePath, Recorded>): boolean {
    return entries.every(({ type, path }) => {
      const old = this.#known.get(path)
      return type !== 'file' || old === undefined || old.type === 'file' || renewed.has(path)
    })
  }

  allRecords(): string[] {
    return [...this.#sameRecords, ...this.renewedRecords].sort()
  }

  /** Everything, sorted by path, still without packages. */
  found(): Entry[] {
    const trusted = [...this.#trusted.values()].map((entry) => ({ entry: plain(entry) }))
    return linked([...this.#found.values(), ...trusted])
  }

  /** If two packages list a path, the last by name counts, as in readRecords(). */
  withRecord(entry: Entry, renewed: ReadonlyMap<BytePath, Recorded>): Entry {
    if (entry.type !== 'file') return entry
    const [before, now] = [this.#recordedBefore(entry.path), renewed.get(entry.path)]
    const last = before && now ? (before.package > now.package ? before : now) : (before ?? now)
    if (last === undefined) return entry
    return { ...entry, package: last.package, ...(last.placeholder && { placeholder: last.placeholder }) }
  }

  /** Files of the archive that an unchanged record lists. */
  *stillRecorded(): Generator<[BytePath, Recorded]> {
    for (const path of this.#known.keys()) {
      const recorded = this.#recordedBefore(path)
      if (recorded) yield [path, recorded]
    }
  }

  async #lookAt(pending: Pending[]): Promise<void> {
    await drain(pending, IN_FLIGHT, async (one) => {
      const { path, isListed } = one
      throwIfCancelled(this.#options.signal, this.#prefix)
      try {
        const found = await this.#look(path)
        if ('reason' in found) {
          this.skipped.push(found)
          return
        }
        if (found.entry.type === 'directory') pending.push(...(await this.#inside(found.entry)))
        this.#found.set(path, found)
      } catch (error) {
        if (!isGone(error) || (isListed && !isTransient(path))) throw listError(this.#prefix, path, error)
      }
    })
  }

  async #look(path: BytePath): Promise<EntryOfInode | Skipped> {
    const name = fsPath(this.#prefix, path)
    // Only the prefix itself may be a symbolic link that is followed.
    const stats = path === '' ? await stat(name, { bigint: true }) : await statsOf(name, this.#pace)
    const type = typeOf(stats)
    const common = { path, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
    if (type === 'directory') return { entry: { type, ...common } }
    if (type === 'symlink') return { entry: { type, ...common, target: await readlink(name, 'latin1') } }
    if (type !== 'file') return { path, reason: type }
    const entry: FileEntry = { type, ...common, size: Number(stats.size) }
    return stats.nlink > 1n ? { entry, inode: `${stats.dev}:${stats.ino}` } : { entry }
  }

  /** The paths in a folder that must be looked at. */
  async #inside(folder: DirectoryEntry): Promise<Pending[]> {
    const { isExcluded } = this.#options
    const old = this.#known.get(folder.path)
    const isLeft = (path: BytePath) => isExcluded(path) || (path === 'conda-meta' && this.#found.has(path))
    if (this.#options.full || old?.type !== 'directory' || old.mtimeNs !== folder.mtimeNs) {
      await settled(folder.mtimeNs)
      const names = await readdir(fsPath(this.#prefix, folder.path), 'latin1')
      const paths = names.map((name) => (folder.path === '' ? name : `${folder.path}/${name}`))
      return paths.filter((path) => !isLeft(path)).map((path) => ({ path, isListed: true }))
    }
    const pending: Pending[] = []
    for (const child of this.#children.get(folder.path) ?? []) {
      if (isLeft(child.path)) continue
      if (child.type === 'hardlink') this.#links.push(child)
      else if (this.#isTrusted(child)) this.#trusted.set(child.path, child)
      else pending.push({ path: child.path, isListed: false })
    }
    return pending
  }

  #isTrusted(entry: ArchivedEntry): boolean {
    if (entry.type === 'symlink') return true
    if (this.#spotChecks.has(entry.path)) return false
    return entry.type === 'file' && (this.#recordedBefore(entry.path) !== undefined || BYTE_CODE.test(entry.path))
  }

  /**
   * Trusted names that may be further names of a file that was looked at: those with the same size, mode and mtime. Most files
   * have a second name in conda's package cache; that alone is no reason if they are as the archive knows them.
   */
  #namesOfLinkedFiles(): Pending[] {
    const targets = new Set<BytePath>()
    for (const entry of this.#known.values()) if (entry.type === 'hardlink') targets.add(entry.target)
    const wanted = new Set<string>()
    for (const { entry, inode } of this.#found.values()) {
      if (inode === undefined || entry.type !== 'file') continue
      const old = this.#known.get(entry.path)
      if (old?.type === 'file' && isUntouched(old, entry) && !targets.has(entry.path)) continue
      wanted.add(likeness(entry, entry.size))
    }
    if (wanted.size === 0) return []
    const names: Pending[] = []
    for (const entry of this.#trusted.values()) {
      const file = entry.type === 'hardlink' ? this.#known.get(entry.target) : entry
      if (file?.type === 'file' && wanted.has(likeness(entry, file.size)))
        names.push({ path: entry.path, isListed: false })
    }
    return names
  }

  #recordedBefore(path: BytePath): Recorded | undefined {
    const old = this.#known.get(path)
    if (old?.type !== 'file' || old.package === undefined || !this.#sameRecords.has(old.package)) return undefined
    return { package: old.package, ...(old.placeholder && { placeholder: old.placeholder }) }
  }
}

const likeness = ({ mode, mtimeNs }: Entry, size: number): string => `${size} ${mode} ${mtimeNs}`

/** Without what only an archive knows, and without the package, which is found anew. */
function plain(entry: ArchivedEntry): Entry {
  if (entry.type !== 'file') return entry
  const { path, mode, mtimeNs, size } = entry
  return { type: 'file', path, mode, mtimeNs, size }
}
