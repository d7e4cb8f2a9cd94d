import type { ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'

/** A read-only copy on this node. */
export interface OtherCopy {
  /** The staged prefix. */
  prefix: string
  /** Its files have the original prefixes. */
  isPlain: boolean
  /** Of the archive that it was made from. */
  index: ArchiveIndex
}

/** What is to be made. */
export interface Wanted {
  index: Pick<ArchiveIndex, 'prefixes'>
  /** What replaces the original prefixes; undefined: they stay. */
  to: string | undefined
}

/** A file of another copy that has the same content. */
export interface EqualFile {
  /** Number of the copy. */
  copy: number
  path: BytePath
  /** When it was last modified: nanoseconds since 1970. */
  mtimeNs: bigint
  /** Mode and time are the same, too: one file can stand for both. */
  isTwin: boolean
}

interface Candidate {
  copy: number
  file: ArchivedFile
}

/** The files of other copies on this node, by their contents. */
export class EqualFiles {
  readonly #copies: readonly OtherCopy[]
  readonly #wanted: Wanted
  /** Of each copy its files by path: nearly all equal ones have the same. */
  readonly #byPath: Map<BytePath, ArchivedFile>[]
  /** All by their digests. Only made if a file is not found by its path. */
  #byDigest: Map<string, Candidate[]> | undefined
  /** Of each copy: whether its prefix stands where the new one goes. */
  readonly #hasSamePlaces: boolean[]

  constructor(copies: readonly OtherCopy[], wanted: Wanted) {
    this.#copies = copies
    this.#wanted = wanted
    this.#hasSamePlaces = copies.map((copy) => hasSamePlaces(copy, wanted))
    this.#byPath = copies.map(({ index }) => {
      const files = new Map<BytePath, ArchivedFile>()
      for (const entry of index.entries) if (entry.type === 'file' && entry.size > 0) files.set(entry.path, entry)
      return files
    })
  }

  /** The best one for this file. If the new copy has the prefix in it, so has that one, at the same places, or none has. */
  of(wanted: ArchivedFile): EqualFile | undefined {
    for (const [copy, files] of this.#byPath.entries()) {
      const file = files.get(wanted.path)
      const found = file && this.#asEqual({ copy, file }, wanted)
      if (found?.isTwin) return found
    }
    if (wanted.size === 0) return undefined
    this.#byDigest ??= this.#listed()
    let best: EqualFile | undefined
    for (const candidate of this.#byDigest.get(wanted.digest) ?? []) {
      const found = this.#asEqual(candidate, wanted)
      if (found?.isTwin) return found
      best ??= found
    }
    return best
  }

  #listed(): Map<string, Candidate[]> {
    const found = new Map<string, Candidate[]>()
    for (const [copy, files] of this.#byPath.entries()) {
      for (const file of files.values()) {
        const others = found.get(file.digest)
        if (others) others.push({ copy, file })
        else found.set(file.digest, [{ copy, file }])
      }
    }
    return found
  }

  #asEqual({ copy, file }: Candidate, wanted: ArchivedFile): EqualFile | undefined {
    if (file.digest !== wanted.digest || file.size !== wanted.size || !this.#canTake(copy, file, wanted))
      return undefined
    const { path, mtimeNs, mode } = file
    return { copy, path, mtimeNs, isTwin: mtimeNs === wanted.mtimeNs && mode === wanted.mode }
  }

  #canTake(copy: number, file: ArchivedFile, wanted: ArchivedFile): boolean {
    const isAsPacked = file.relocation === undefined || this.#copies[copy]!.isPlain
    if (isAsPacked || this.#wanted.to === undefined) return isAsPacked
    return this.#hasSamePlaces[copy]! && isSame(file.relocation, wanted.relocation)
  }
}

/** Then a place of the prefix has the same number of bytes in both, and in the original. */
function hasSamePlaces({ prefix, isPlain, index }: OtherCopy, { index: { prefixes }, to }: Wanted): boolean {
  if (isPlain || to === undefined || Buffer.byteLength(prefix) !== Buffer.byteLength(to)) return false
  return index.prefixes.length === prefixes.length && prefixes.every((each, at) => each === index.prefixes[at])
}

const isSame = (a: Relocation | undefined, b: Relocation | undefined): boolean =>
  a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b)
