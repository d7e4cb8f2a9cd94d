/** The kind of failure, as a word that programs can test for. A test provokes each of them. */
export type ErrorCode =
  | 'USAGE' // unknown or conflicting options: exit code 2
  | 'CONFIG' // the user's configuration file is mistaken: exit code 2
  | 'NO_ENVIRONMENT' // nothing is active and no --prefix was given
  | 'NOT_AN_ENVIRONMENT' // the folder has no conda-meta
  | 'BASE_REFUSED'
  | 'ALREADY_STAGED'
  | 'ALREADY_LOCAL' // with skipLocal: the environment is on local disk, so a copy would gain nothing
  | 'NOT_STAGED'
  | 'ORIGINAL_GONE' // --unstage would remove what may be the last copy
  | 'NO_LOCAL_DISK' // no candidate folder is local and writable
  | 'TARGET_UNWRITABLE'
  | 'TARGET_NETWORK'
  | 'TARGET_NOEXEC' // mounted noexec: programs can't run from there
  | 'TARGET_UNSAFE' // the folder, one on the way to it, or a link lets others tamper with the copy
  | 'NOT_REMOVED' // a part of a copy can't be removed now; it no longer counts as one
  | 'NO_SPACE'
  | 'NO_INODES'
  | 'LIMIT_TOO_LOW' // ulimit -v, -n and the like leave no room for a thread, a buffer or a file
  | 'NO_ARCHIVE' // --verify: there is none
  | 'ARCHIVE_DAMAGED'
  | 'ARCHIVE_UNREADABLE' // its disk or server fails
  | 'ARCHIVE_FOREIGN' // not written by conda-stage
  | 'ARCHIVE_OTHER_ENVIRONMENT'
  | 'ARCHIVE_VERSION'
  | 'ARCHIVE_UNTRUSTED' // its owner or mode would let somebody else run code as us
  | 'ARCHIVE_UNWRITABLE'
  | 'NO_CONDA_PACK' // --packer=conda-pack: not installed, and could not be installed
  | 'CONDA_PACK_FAILED' // conda-pack ended with an error
  | 'NO_PROGRAM' // a program of the system that is needed is not on PATH, or the command to be measured is none
  | 'NOT_TRACED' // --proof: strace may not trace programs here
  | 'COMMAND_FAILED' // the command of --proof or --benchmark ended with a failure
  | 'IMAGE_FAILED' // the program that makes images failed, or made something else than it was given
  | 'NOT_MOUNTED' // an image can't be mounted here: a copy is extracted instead
  | 'LOCKED' // another packer held the archive's lock for too long
  | 'UNREADABLE' // a file of the environment can't be read
  | 'ENVIRONMENT_UNWRITABLE' // --auto-stage can't write its scripts into the environment
  | 'RETIRE_REFUSED' // --retire is in doubt: its lines say why; or a stopped one needs a decision
  | 'RESTORE_FAILED' // --restore: the environment could not be made as it was
  | 'CHANGED' // the environment changed while it was being packed
  | 'OUTPUT_LOST' // standard output, or what hands code to the shell, can't be written to
  | 'DISK_FAILED' // a call that needs a disk failed in a place that knows no better
  | 'NO_ANSWER' // --doctor: a file system did not answer in time
  | 'NODES_FAILED' // --nodes: a node could not be reached, or has no copy; the hint names them
  | 'VERIFY_FAILED'
  | 'DOCTOR_FOUND' // --doctor: something is broken
  | 'CANCELLED'
  | 'NO_SHELL_FUNCTION'
  | 'NO_NAMESPACE' // --exec=strict: no copy can stand in the original's own place
  | 'ACTIVATION_FAILED' // the session's own conda function could not activate the copy

/**
 * An expected failure: something outside the program caused it, not a bug. `message` says what happened to which path, each of
 * `lines` adds one fact, and `hint` says what to do next. Each is one line, whatever the names in it. Anything else that is
 * thrown is a bug, and is shown with its stack.
 */
export class StageError extends Error {
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly hint: string | undefined
  readonly lines: readonly string[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'StageError'
    this.code = code
    this.path = details.path
    this.hint = details.hint
    this.lines = details.lines ?? []
  }
}

/** What can go with the message of a StageError. */
export interface ErrorDetails {
  path?: string
  hint?: string
  lines?: readonly string[]
  cause?: unknown
}

/** Whether somebody gave up. That shows nothing about what was looked at. */
export const isCancelled = (error: unknown): boolean => error instanceof StageError && error.code === 'CANCELLED'
