import { closeSync, fsyncSync, lstatSync, openSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StageError } from '../../errors.ts'
import { cutName, retiredArchiveOf } from '../../model/file-names.ts'
import { errnoOf, meaningOf } from '../../platform/errno.ts'
import { removeTree } from '../../stage/remove-tree.ts'

/**
 * Where an environment, its retired archive and what is on the way between the two are: in one folder, so that each step is one
 * rename. Calls are synchronous, since a signal must not leave anyone unsure whether one was done.
 */
export class Places {
  /** The environment, with symbolic links in the folders above it resolved. */
  readonly prefix: string
  readonly archive: string
  /** The environment, whole, for the moment of the last look at it. */
  readonly retiring: string
  /** What is left of an environment that its archive stands for. */
  readonly removing: string
  /** An environment that is being made from its archive. */
  readonly restoring: string

  constructor(prefix: string) {
    const aside = (what: string): string => join(dirname(prefix), `.${cutName(basename(prefix), 200)}.${what}`)
    this.prefix = prefix
    this.archive = retiredArchiveOf(prefix)
    this.retiring = aside('retiring')
    this.removing = aside('removing')
    this.restoring = aside('restoring')
  }

  /**
   * Brings in order what a killed call left, with the archive's lock held: an environment that was set aside gets its name back, and
   * what was being removed or made is removed.
   * @returns messages
   * @throws StageError RETIRE_REFUSED if that needs somebody's decision
   */
  async recover(): Promise<string[]> {
    const said: string[] = []
    if (isThere(this.retiring)) {
      if (isThere(this.prefix)) throw twice(this.prefix, this.retiring)
      this.move(this.retiring, this.prefix)
      said.push(`A --retire was stopped; ${this.prefix} has its name again`)
    }
    if (isThere(this.removing)) {
      if (!isThere(this.archive)) throw archiveGone(this)
      await removeTree(this.removing)
      said.push(`Removed what a stopped --retire left: ${this.removing}`)
    }
    if (isThere(this.restoring)) {
      await removeTree(this.restoring)
      said.push(`Removed what a stopped --restore left: ${this.restoring}`)
    }
    return said
  }

  /** Renames, and brings the folder to disk: a crash must not bring the old name back after more has been done. */
  move(from: string, to: string): void {
    try {
      renameSync(from, to)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      throw new StageError('ENVIRONMENT_UNWRITABLE', `${from} can't be renamed to ${to}: ${meaningOf(errno)}`, {
        path: from,
        hint: 'Nothing was lost. Try again when its folder can be written.',
        cause: error,
      })
    }
    this.sync()
  }

  /** Not every file system can do this for a folder. */
  sync(): void {
    const folder = openSync(dirname(this.prefix), 'r')
    try {
      fsyncSync(folder)
    } catch (error) {
      if (!['EINVAL', 'ENOSYS', 'ENOTSUP', 'EBADF'].includes(errnoOf(error) ?? '')) throw error
    } finally {
      closeSync(folder)
    }
  }
}

/** Also if it can't be known: then nothing is put there. */
export const isThere = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return errnoOf(error) !== 'ENOTDIR'
  }
}

const twice = (prefix: string, aside: string): StageError =>
  new StageError('RETIRE_REFUSED', `A --retire of ${prefix} was stopped, and something new has taken its name since`, {
    path: aside,
    hint: `The environment as it was is in ${aside}. Move one of the two away, then try again.`,
  })

const archiveGone = ({ removing, archive }: Places): StageError =>
  new StageError(
    'RETIRE_REFUSED',
    `${removing} is the rest of a retired environment whose archive ${archive} is gone`,
    {
      path: removing,
      hint: 'Bring the archive back to that place. If you do not need it, remove the folder.',
    },
  )
