import { readFileSync } from 'node:fs'
import { quotePosix } from '../activate/quote.ts'
import { shortHash } from '../model/digest.ts'
import { NOTES } from './notes.ts'

export interface WrapperFacts {
  /** The original prefix, as the user names it. */
  prefix: string
  /** With symbolic links resolved. */
  real: string
  /** Folders below the prefix in which packages come and go, see `packageFolders`. */
  folders: readonly string[]
  /** Absolute path of bin/conda-stage. */
  launcher: string
}

/** By this a file is known as a wrapper of ours. It is the file's second line. */
export const WRAPPER_LINE =
  "# Starts a program of a conda environment from the environment's copy on this node, which is made if there is none. Whatever"

/** A full look removes the words that processes have left in the copy. That is due from so many on. */
const MOST_WORDS = 300

/** A small program in bash that becomes `program` of the environment's copy. */
export function wrapper(program: string, { prefix, real, folders, launcher }: WrapperFacts): string {
  // The path that a link leads to is not known here, but to the last look.
  const isSame = prefix === real ? [] : ['[ "$__cs_environment" -ef "$__cs_original" ]']
  const isOlder = folders.map((folder) => `[ ! ${quotePosix(`${prefix}/${folder}`)} -nt "$__cs_note" ]`)
  const isThatOne = '[ "$__cs_environment/$__cs_latest" -nt "$__cs_note.before" ]'
  const values: Record<string, string> = {
    ENVIRONMENT: quotePosix(prefix),
    PROGRAM: quotePosix(program),
    LAUNCHER: quotePosix(launcher),
    NOTES,
    HASH: shortHash(real),
    CHECKS: [...isSame, isThatOne, ...isOlder].join(' &&\n    '),
    MOST: `${MOST_WORDS}`,
  }
  return template().replaceAll(/@([A-Z]+)@/g, (_, key: string) => values[key]!)
}

const template = (): string => readFileSync(new URL('./templates/wrapper.sh', import.meta.url), 'utf8')
