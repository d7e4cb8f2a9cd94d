import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { type BytePath, fsPath, isAscii } from '../model/byte-path.ts'
import { accessTime, asTime } from '../model/times.ts'
import { errnoOf } from '../platform/errno.ts'
import { readFromSync } from '../platform/fd.ts'
import type { RelocationPlan } from '../relocate/plan.ts'
import { patchFile } from './patch-file.ts'

/** A file of another copy on this node, which has the content that is wanted. */
export interface Taken {
  /** The prefix of that copy. */
  from: string
  path: BytePath
  /** Seconds since 1970. */
  mtime: number
  /** Mode and time are the wanted ones, too. */
  isTwin: boolean
}

interface WantedFile {
  root: string
  path: BytePath
  /** Bytes. */
  size: number
  mode: number
  /** Seconds since 1970, as utimes takes them. */
  mtime: number
}

/**
 * The file system has its reasons: it has no links, or no more of this file; it is another one; the other copy is being removed; the
 * file is somebody else's.
 */
const REFUSALS: ReadonlySet<string> = new Set([
  ...['EMLINK', 'EXDEV', 'EPERM', 'EACCES', 'ENOENT', 'ENOTDIR', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOTTY'],
  ...['ELOOP', 'EIO', 'ESTALE'],
])
/** A file keeps the time that was set to less than that. */
const TIME_TOLERANCE_S = 2e-6

/**
 * Puts a twin in the place of a file, whose room is free then.
 * @param aside a name beside the tree that nothing has
 * @returns false if that can't be done: then the file is as it was
 */
export function exchangeForTwin(taken: Taken, { root, path, ...wanted }: WantedFile, aside: string): boolean {
  try {
    if (!linkTwin(taken, aside, wanted)) return false
    renameSync(aside, pathOf(root, path))
    return true
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (!REFUSALS.has(errno) && errno !== 'EEXIST') throw error
    return false
  }
}

/** Makes files of a copy from files of other copies on the node. Where that can't be done, they are extracted. */
export class FileTaker {
  readonly #root: string
  #canClone = true

  constructor(root: string) {
    this.#root = root
  }

  /**
   * @param plan what replaces the prefix in the file, at the same length; undefined: nothing does
   * @returns how it was made: as a further name of the same file, or as a clone, which shares the blocks that are the same;
   *   undefined: it was not made, and nothing has its name
   */
  take(taken: Taken, file: Omit<WantedFile, 'root'>, plan: RelocationPlan | undefined): 'link' | 'clone' | undefined {
    const wanted = { root: this.#root, ...file }
    const edits = plan?.edits ?? []
    try {
      if (edits.length === 0 && taken.isTwin && linkTwin(taken, pathOf(wanted.root, wanted.path), wanted)) return 'link'
      if (this.#canClone && this.#clone(taken, wanted)) {
        finish(wanted, edits)
        return 'clone'
      }
      return undefined
    } catch (error) {
      if (!REFUSALS.has(errnoOf(error) ?? '')) throw error
      removeIfThere(wanted)
      return undefined
    }
  }

  #clone(taken: Taken, wanted: WantedFile): boolean {
    const [source, target] = [fsPath(taken.from, taken.path), fsPath(wanted.root, wanted.path)]
    if (!isAsWritten(lstatSync(source), taken, wanted.size)) return false
    try {
      copyFileSync(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE)
      return true
    } catch (error) {
      // Said of the file system, not of the file. The next one need not be tried.
      if (['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EINVAL', 'ENOTTY'].includes(errnoOf(error) ?? ''))
        this.#canClone = false
      throw error
    }
  }
}

/** The bytes of such a file, with the prefix of its copy in it. undefined: it is gone, or not as it was written. */
export function readTaken({ from, path, mtime }: Taken, size: number): Buffer | undefined {
  let fd: number | undefined
  try {
    fd = openSync(fsPath(from, path), constants.O_RDONLY | constants.O_NOFOLLOW)
    if (!isAsWritten(fstatSync(fd), { mtime }, size)) return undefined
    const content = Buffer.allocUnsafeSlow(size)
    let done = 0
    for (let more = -1; done < size && more !== 0; done += more) more = readFromSync(fd, content, done, done)
    return done === size ? content : undefined
  } catch (error) {
    if (!REFUSALS.has(errnoOf(error) ?? '')) throw error
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** A further name of the file, which has been looked at by that very name: so nobody can exchange it in between. */
function linkTwin(taken: Taken, target: string | Buffer, wanted: Pick<WantedFile, 'size' | 'mode' | 'mtime'>): boolean {
  linkSync(pathOf(taken.from, taken.path), target)
  const facts = lstatSync(target)
  if (!isAsWritten(facts, taken, wanted.size) || (facts.mode & 0o7777) !== wanted.mode) {
    unlinkSync(target)
    return false
  }
  // Cleaners go by the last use.
  if (Date.now() - facts.atimeMs > RECENT_MS) utimesSync(target, accessTime(), asTime(wanted.mtime))
  return true
}

const RECENT_MS = 60 * 60 * 1000

/** A string takes half the time of a buffer. */
const pathOf = (root: string, path: BytePath): string | Buffer =>
  isAscii(path) ? `${root}/${path}` : fsPath(root, path)

/** Whoever edits a file leaves another time or size, unless they take pains not to. */
const isAsWritten = (facts: Stats, { mtime }: Pick<Taken, 'mtime'>, size: number): boolean =>
  facts.isFile() && facts.size === size && Math.abs(facts.mtimeMs / 1000 - mtime) < TIME_TOLERANCE_S

function finish({ root, path, mode, mtime }: WantedFile, edits: RelocationPlan['edits']): void {
  const target = fsPath(root, path)
  if (edits.length > 0) {
    chmodSync(target, 0o600)
    patchFile(target, { edits })
  }
  utimesSync(target, accessTime(), asTime(mtime))
  chmodSync(target, mode)
}

function removeIfThere({ root, path }: WantedFile): void {
  try {
    unlinkSync(fsPath(root, path))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
