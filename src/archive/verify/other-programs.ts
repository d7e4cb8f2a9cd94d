import { createHash } from 'node:crypto'
import type { ArchivedEntry, ArchiveIndex } from '../../model/archive-index.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import { digestFrom } from '../../model/digest.ts'
import { splitTime } from '../../model/times.ts'
import { frameStarts } from '../index/decode.ts'
import type { Member } from '../read/member.ts'
import type { Report } from './finding.ts'

/** A member for people who unpack the archive, which the index does not mention. */
export interface Beside {
  path: BytePath
  /** Undefined if only another version of the program knows it. */
  digest?: string | undefined
}

export interface OtherProgramsOptions {
  report: Report
  besides: readonly Beside[]
}

/**
 * Compares the tree that tar and unzip make of the archive with the one of the index. Files are known by their place, because
 * members may stand below a folder of their own (--arcroot), and a script may have another name.
 */
export class OtherPrograms {
  readonly #index: ArchiveIndex
  readonly #report: Report
  readonly #besides: ReadonlyMap<BytePath, Beside>
  readonly #byPlace = new Map<number, ArchivedEntry>()
  readonly #byPath: ReadonlyMap<BytePath, ArchivedEntry>
  readonly #seen = new Set<BytePath>()
  /** Folder of the archive that holds the environment, with a slash at its end, or ''. Undefined until a file tells. */
  #root: BytePath | undefined
  /** Those that came before it was known. */
  #waiting: Member[] = []

  constructor(index: ArchiveIndex, { report, besides }: OtherProgramsOptions) {
    this.#index = index
    this.#report = report
    this.#besides = new Map(besides.map((beside) => [beside.path, beside]))
    this.#byPath = new Map(index.entries.map((entry) => [entry.path, entry]))
    const starts = frameStarts(index.frames)
    for (const entry of index.entries) {
      if (entry.type !== 'file' || (this.#isZip && entry.size === 0)) continue
      const place = this.#isZip ? index.frames[entry.frame]!.offset : starts[entry.frame]! + entry.frameOffset
      this.#byPlace.set(place, entry)
    }
  }

  get #isZip(): boolean {
    return this.#index.format === 'zip'
  }

  /** To be called for each member, in order. */
  async member(member: Member): Promise<void> {
    const entry = member.type === 'file' ? this.#byPlace.get(member.start) : undefined
    if (entry !== undefined) {
      this.#root ??= this.#rootOf(member.path, entry.path)
      for (const waiting of this.#waiting.splice(0)) await this.#compareByPath(waiting)
      await this.#compare(member, entry)
    } else if (this.#root === undefined && member.type !== 'file') this.#waiting.push(member)
    else await this.#compareByPath(member)
  }

  /** To be called at last. */
  async finish(): Promise<void> {
    for (const waiting of this.#waiting.splice(0)) await this.#compareByPath(waiting)
    for (const { path } of this.#index.entries) {
      // A zip has no member for the folder of all others.
      if (this.#seen.has(path) || (path === '' && this.#isZip)) continue
      this.#report({ path, kind: 'member', why: 'is in the index, but other programs do not unpack it' })
    }
  }

  #rootOf(member: BytePath, entry: BytePath): BytePath {
    const end = [entry, ...this.#ownNames(entry)].find((name) => member === name || member.endsWith(`/${name}`))
    return end === undefined ? '' : member.slice(0, member.length - end.length)
  }

  /** Other names that an entry may have as a member, because the archive needs its own for a script. */
  #ownNames(path: BytePath): BytePath[] {
    return this.#besides.has(path) ? [`${path}.own`, `${path}.own.own`] : []
  }

  async #compareByPath(member: Member): Promise<void> {
    const root = this.#root ?? ''
    // Folders above the environment.
    if (
      member.type === 'directory' &&
      member.path !== '' &&
      `${root}`.startsWith(`${member.path}/`) &&
      member.path !== root.slice(0, -1)
    )
      return
    const isRoot = member.path === root.replace(/\/$/, '')
    const below = isRoot ? '' : member.path.startsWith(root) ? member.path.slice(root.length) : undefined
    const entry = below === undefined ? undefined : this.#entryAt(below)
    if (entry !== undefined && (entry.type !== 'file' || this.#isZip)) await this.#compare(member, entry)
    else await this.#beside(member, below)
  }

  #entryAt(below: BytePath): ArchivedEntry | undefined {
    const own = /^(.*?)(?:\.own)+$/s.exec(below)?.[1]
    if (own !== undefined && this.#besides.has(own) && !this.#byPath.has(below)) return this.#byPath.get(own)
    const isBeside = this.#besides.has(below) && this.#seen.has(below)
    return isBeside ? undefined : this.#byPath.get(below)
  }

  async #beside(member: Member, below: BytePath | undefined): Promise<void> {
    const beside = below === undefined ? undefined : this.#besides.get(below)
    if (beside === undefined || member.type !== 'file') {
      this.#differs(member, 'is unpacked by other programs, but is not in the index')
      return
    }
    const digest = await digestOf(member)
    if (beside.digest !== undefined && digest !== beside.digest)
      this.#differs(member, 'is a script for people who unpack the archive, but not the one of conda-stage')
  }

  async #compare(member: Member, entry: ArchivedEntry): Promise<void> {
    const { path } = entry
    const name = (this.#root ?? '') + path
    const names = [name, ...this.#ownNames(path).map((own) => (this.#root ?? '') + own)]
    if (path !== '' && !names.includes(member.path)) this.#differs(member, `is ${displayPath(name)} in the index`)
    if (this.#seen.has(path)) this.#differs(member, 'is unpacked twice by other programs')
    this.#seen.add(path)
    const isCopy = entry.type === 'hardlink' && this.#isZip
    if (member.type !== (isCopy ? 'file' : entry.type)) this.#differs(member, `is a ${entry.type} in the index`)
    else if (entry.type === 'file' && member.size !== entry.size)
      this.#differs(member, `has ${member.size} bytes, and ${entry.size} in the index`)
    else if (entry.type === 'symlink' && member.target !== entry.target)
      this.#differs(member, `leads to ${displayPath(member.target)}, and to ${displayPath(entry.target)} in the index`)
    else if (entry.type === 'hardlink' && !isCopy && this.#entryOf(member.target)?.path !== entry.target)
      this.#differs(
        member,
        `is a hard link to ${displayPath(member.target)}, and to ${displayPath(entry.target)} in the index`,
      )
    if (entry.type !== 'symlink' && member.mode !== entry.mode)
      this.#differs(member, `has mode ${octal(member.mode)}, and ${octal(entry.mode)} in the index`)
    if (!this.#sameTime(member.mtimeNs, entry.mtimeNs)) this.#differs(member, 'has another time in the index')
    if (this.#isZip && member.type === 'file') await this.#compareContent(member, isCopy ? entry.target : path)
  }

  /** In a tar, the content is known by its place; in a zip other programs read it as one stream. */
  async #compareContent(member: Member, path: BytePath): Promise<void> {
    const file = this.#byPath.get(path)
    const digest = await digestOf(member)
    if (file?.type === 'file' && digest !== file.digest) this.#differs(member, 'has other bytes than were packed')
  }

  #entryOf(target: BytePath): ArchivedEntry | undefined {
    const root = this.#root ?? ''
    return target.startsWith(root) ? this.#entryAt(target.slice(root.length)) : undefined
  }

  /** A zip has whole seconds, and those that 32 bits hold. */
  #sameTime(there: bigint, here: bigint): boolean {
    if (!this.#isZip) return there === here
    const [seconds] = splitTime(here)
    return splitTime(there)[0] === seconds || Math.abs(seconds) >= 2 ** 31
  }

  #differs({ path }: Member, why: string): void {
    this.#report({ path, kind: 'member', why })
  }
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

async function digestOf({ content }: Member): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return digestFrom(hash.digest('hex'))
}
