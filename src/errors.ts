/** What went wrong, in a word that programs can test for. Each has a test that provokes it. */
export type ErrorCode =
  | 'USAGE' // unknown or conflicting options: exit code 2
  | 'CONFIG' // the user's configuration file is mistaken: exit code 2
  | 'NO_ENVIRONMENT' // nothing is active and no --prefix was given
  | 'NOT_AN_ENVIRONMENT' // the folder has no conda-meta
  | 'BASE_REFUSED'
  | 'ALREADY_STAGED'
  | 'ALREADY_LOCAL' // with skipLocal: the environment would not gain
  | 'NOT_STAGED'
  | 'NO_LOCAL_DISK' // no candidate folder is local and writable
  | 'TARGET_UNWRITABLE'
  | 'TARGET_NETWORK'
  | 'TARGET_NOEXEC' // nothing can be run from there
  | 'TARGET_UNSAFE' // owner, type or mode of the local folder
  | 'NO_SPACE'
  | 'NO_INODES'
  | 'ARCHIVE_DAMAGED'
  | 'ARCHIVE_FOREIGN' // not written by conda-stage
  | 'ARCHIVE_OTHER_ENVIRONMENT'
  | 'ARCHIVE_VERSION'
  | 'ARCHIVE_UNTRUSTED' // owner or mode would let somebody else run code as us
  | 'ARCHIVE_UNWRITABLE'
  | 'NO_CONDA_PACK' // --packer=conda-pack: neither there nor to be installed
  | 'CONDA_PACK_FAILED' // it ended with an error
  | 'NO_PROGRAM' // a program of the system's that a format takes is not on PATH
  | 'LOCKED' // another packer holds the archive's lock for too long
  | 'UNREADABLE' // a file of the environment can't be read
  | 'ENVIRONMENT_UNWRITABLE' // the environment can't be configured
  | 'CHANGED' // the environment changed while it was being packed
  | 'VERIFY_FAILED'
  | 'CANCELLED'
  | 'NO_SHELL_FUNCTION'
  | 'ACTIVATION_FAILED' // by the session's own conda function

/**
 * An expected failure: something about the world, not a bug of ours. `message` says what happened to which path,
 * `hint` what to do next. Anything else that is thrown is a bug and is shown with its stack.
 */
export class StageError extends Error {
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: { path?: string; hint?: string; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'StageError'
    this.code = code
    this.path = details.path
    this.hint = details.hint
  }
}
