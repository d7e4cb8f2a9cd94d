import type { ArchiveFinding } from '../archive/verify/finding.ts'
import type { Retention } from '../cache/index.ts'
import type { Filter } from '../conda-pack/filter.ts'
import type { Caller, Holder } from '../leases/users.ts'
import type { ArchiveFormat } from '../model/archive-index.ts'
import type { Payback } from '../model/cost.ts'
import type { Form } from '../model/form.ts'
import type { OnProgress } from '../model/progress.ts'
import type { Shown } from '../mount/namespace.ts'
import type { BaseCopy } from '../stage/venv-base.ts'
import type { Finding } from '../stage/verify.ts'

/** Options of pack(). stage() takes them, too, because it packs if there is no fresh archive. */
export interface PackOptions {
  /** Environment to pack. Default: the one that is active by CONDA_PREFIX or VIRTUAL_ENV in `env`. */
  prefix?: string
  /** Archive file. Default: `NAME.tar.zst` beside the environment, or in the user's cache folder if that is not writable. */
  output?: string
  /** Folder for the archives of many environments, tried first; `{user}` and `~/` are replaced. */
  archiveFolder?: string
  /** Which of the user's archives are removed from such folders after packing. Default: none. */
  retention?: Retention
  format?: ArchiveFormat
  /** zstd 0 to 19 (default 3), gzip and zip 0 to 9 (default 6), bzip2 0 to 9 (default 9). 0 compresses as little as possible. */
  compressLevel?: number
  /** Threads that compress, or extract. Default: the CPUs this process may use. */
  threads?: number
  /** Pack even if there is a fresh archive. */
  force?: boolean
  /** How to check whether the archive is fresh: `full` looks at every file, `quick` (the default) at a handful of places. */
  check?: 'quick' | 'full'
  /** Do not warn about missing files that conda's records list. */
  ignoreMissingFiles?: boolean
  /** Allow packing a base environment (without its pkgs/ and envs/). */
  allowBase?: boolean
  /** Allow `prefix` to be a Python that is not an environment, but that virtual environments were made from. */
  asBase?: boolean
  /** Who packs. conda-pack writes `NAME.tar.gz` if no `output` is named. */
  packer?: 'own' | 'conda-pack'
  /** Folder inside the archive that holds the environment. Default: none. */
  arcroot?: string
  /** Path, or another text, to write in place of the prefix. An archive that is unpacked at this path needs no conda-unpack. */
  destPrefix?: string
  /** Patterns of paths to exclude, or to include again; applied in order. */
  filters?: readonly Filter[]
  /** Do not warn about packages whose sources are outside the environment. */
  ignoreEditablePackages?: boolean
  /** Environment variables. Default: those of this process. */
  env?: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths start from. Default: that of this process. */
  cwd?: string
  onProgress?: OnProgress
  /** Stops the work and removes what was half made. */
  signal?: AbortSignal
}

/** Options of pack() alone: a tar.bz2 can't be staged. */
export interface PackForElsewhereOptions extends Omit<PackOptions, 'format'> {
  /** `tar.bz2` needs `output`, and bzip2 on PATH. */
  format?: ArchiveFormat | 'tar.bz2'
}

export interface StageOptions extends PackOptions {
  /**
   * An archive to stage without its environment; also one of conda-pack. The environment is not looked at, and need not exist. Whoever
   * names the archive trusts its owner. Options about packing have no effect.
   */
  archive?: string
  /** Local folder in which `conda-stage_TOKEN/NAME` is made. Default: the first suitable one of this machine. */
  path?: string
  /** Local folders to try first if there is no `path`; `{user}`, `{job}` and `~/` are replaced. */
  localFolders?: readonly string[]
  /** Try no other folders than these. */
  localFoldersOnly?: boolean
  /** Throw ALREADY_LOCAL if the environment is on local disk already, unless the copy is `writable`. Default: false. */
  skipLocal?: boolean
  /** Make a writable copy. Default: it is read-only. */
  writable?: boolean
  /** What the copy is. Default: a tree. If an image can't be mounted here, a `mount` becomes a tree, too. */
  form?: Form
  /** Read the image of a `mount` where it is, instead of copying it to local disk. */
  inPlace?: boolean
  /** Make a copy that nobody else uses. Default: true for a writable copy, otherwise false. */
  isPrivate?: boolean
  /** For a virtual environment: the copy of its base, from which the new copy starts. It is shared only with copies that start from the same. */
  base?: BaseCopy
  /** How many minutes the copy is kept after its last user; null: until somebody removes it. Default: 0. */
  keepMinutes?: number | null
  /** Who uses the copy. It may be removed when that process has ended. Default: this process. */
  caller?: Caller
}

export interface InPlaceOptions extends StageOptions {
  /** Throw if no copy can be shown at the original's own path. */
  strict: boolean
  /** Show the environment's image from where it is, without a copy. */
  readInPlace: boolean
}

export interface UnstageOptions {
  /** Prefix of the staged copy. */
  prefix: string
  /** Who has used it. Default: this process. */
  caller?: Caller
  /** The lease to give back, from StageResult. Default: that of the caller. */
  lease?: string
  /** Remove the copy even if it was to be kept for some time. */
  force?: boolean
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  onProgress?: OnProgress
}

/** Options of retire(). */
export interface RetireOptions
  extends Pick<PackOptions, 'compressLevel' | 'threads' | 'env' | 'cwd' | 'onProgress' | 'signal'> {
  /** The environment. Default: the active one, which is refused. */
  prefix?: string
  /** Check whether it can be retired, and change nothing. */
  dryRun?: boolean
  /** Called before anything is written, with what will be removed. What it throws is thrown to the caller. */
  confirm?(plan: RetireResult): Promise<void>
}

export interface RetireResult {
  original: string
  /** `ENV.retired.tar.zst`, which replaces the environment. */
  archive: string
  /** Of the environment. `entries` are files, folders and links: what a quota of inodes counts. */
  files: number
  bytes: number
  entries: number
  /** Missing before it is written. */
  archiveBytes?: number
}

/** Options of restore(). */
export interface RestoreOptions extends Pick<PackOptions, 'env' | 'cwd' | 'onProgress' | 'signal'> {
  /** Where the environment was. Default: what the archive says. */
  prefix?: string
  /** Default: the environment's retired archive. */
  archive?: string
  /** Check whether it can be restored, and change nothing. */
  dryRun?: boolean
}

export interface RestoreResult {
  original: string
  archive: string
  files: number
  bytes: number
  entries: number
}

/** Options of writeWrappers(). */
export interface WrappersOptions extends PackOptions {
  /** Folder for `bin/NAME`. */
  folder: string
  /** Absolute path of bin/conda-stage. */
  launcher: string
  /** Names of programs in the environment's `bin`. Default: all that don't change the environment. */
  programs?: readonly string[]
  /** Also write kernelspecs for Jupyter, by this name; empty: the environment's. */
  kernelspec?: string
}

export interface WrappersResult {
  original: string
  folder: string
  programs: string[]
  /** Their folders. */
  kernelspecs: string[]
}

export interface PackResult {
  /** The environment that was packed. */
  prefix: string
  archive: string
  /** Size of the archive in bytes. */
  bytes: number
  /** True if the archive was fresh already and nothing was written. */
  fresh: boolean
  /** Why the archive that was there had to be replaced. */
  reason?: string
  warnings: string[]
}

export interface StageResult {
  original: string
  /** The staged copy. */
  prefix: string
  /** `LOCAL/conda-stage_TOKEN`, which holds the copy and its record. */
  folder: string
  /** Missing if it could not be written; a warning says why. */
  archive?: string
  files: number
  bytes: number
  /** The file that says that the caller uses the copy. */
  lease: string
  /** How many others use it, too. */
  others: number
  /** Whether the stage pays. Missing if the copy was there already, or the original is on local disk. */
  payback?: Payback
  warnings: string[]
}

export interface InPlaceResult {
  /** Missing if an image is read from where it is. */
  copy?: StageResult
  /** What is to be shown where. Missing if the copy is relocated. */
  shown?: Shown
}

export interface UnstageResult {
  original: string
  /** The staged copy. It is gone, unless it is `kept`. */
  prefix: string
  /** Why the copy stays: others use it, or it is kept for the next session until that time (milliseconds since 1970). */
  kept?: { users: Holder[] } | { until: number }
}

export interface VerifyOptions {
  /** Prefix of the staged copy. */
  prefix: string
  cwd?: string
  onProgress?: OnProgress
  signal?: AbortSignal
}

export interface VerifyArchiveOptions {
  /** The archive. Default: the environment's. */
  archive?: string
  /** An environment. Default: the active one. */
  prefix?: string
  /** As in PackOptions. */
  archiveFolder?: string
  format?: ArchiveFormat
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  onProgress?: OnProgress
  signal?: AbortSignal
}

export interface VerifyArchiveResult {
  archive: string
  madeBy: 'conda-stage' | 'conda-pack'
  /** False for an archive of conda-pack and for a tar.bz2, about which less can be said. */
  hasIndex: boolean
  files: number
  bytes: number
  /** Everything that is wrong. The archive is sound if all findings are `harmless`. */
  findings: ArchiveFinding[]
}

export interface VerifyResult {
  prefix: string
  original: string
  /** Everything that differs from a fresh copy. The copy is sound if all findings are `harmless`. */
  findings: Finding[]
}
