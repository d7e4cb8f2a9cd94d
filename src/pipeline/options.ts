import type { Retention } from '../cache/index.ts'
import type { Filter } from '../conda-pack/filter.ts'
import type { ArchiveFormat } from '../model/archive-index.ts'
import type { OnProgress } from '../model/progress.ts'
import type { Finding } from '../stage/verify.ts'

/** Options of pack(); stage() takes them too, since it packs where there is no fresh archive. */
export interface PackOptions {
  /** Environment to pack; without one the active one (CONDA_PREFIX of `env`). */
  prefix?: string
  /** Archive file; without one `NAME.tar.zst` beside the environment, else in the user's cache folder. */
  output?: string
  /** Folder for the archives of many environments, tried first; `{user}` and `~/` are replaced. */
  archiveFolder?: string
  /** Which of the user's archives are removed from such folders after packing. Default: none. */
  retention?: Retention
  format?: ArchiveFormat
  /** zstd 0 to 19 (default 3), gzip and zip 0 to 9 (default 6), bzip2 0 to 9 (default 9); 0 is the least there is. */
  compressLevel?: number
  /** Threads that compress, or extract. Default: the CPUs this process may use. */
  threads?: number
  /** Pack even if there is a fresh archive. */
  force?: boolean
  /** `full` walks the whole environment to see whether the archive is fresh, `quick` looks at a handful of places. */
  check?: 'quick' | 'full'
  /** No warning about files that conda's records list and that are gone. */
  ignoreMissingFiles?: boolean
  /** Let a base environment be packed (without its pkgs/ and envs/). */
  allowBase?: boolean
  /** Who packs. conda-pack writes `NAME.tar.gz` where no `output` is named. */
  packer?: 'own' | 'conda-pack'
  /** Folder of the archive in which the environment stands for those who unpack it; none by default. */
  arcroot?: string
  /** Path, or another text, in place of the prefix: the archive's contents need no conda-unpack there. */
  destPrefix?: string
  /** Patterns of paths that are left out, or taken all the same; applied in order. */
  filters?: readonly Filter[]
  /** No warning about packages whose sources lie outside of the environment. */
  ignoreEditablePackages?: boolean
  /** Variables to work with. Default: those of this process. */
  env?: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths start from. Default: that of this process. */
  cwd?: string
  onProgress?: OnProgress
  /** Stops the work and takes away what was half made. */
  signal?: AbortSignal
}

/** Options of pack() alone: a tar.bz2 can't be staged. */
export interface PackForElsewhereOptions extends Omit<PackOptions, 'format'> {
  /** `tar.bz2` takes the system's bzip2, and goes with `output`. */
  format?: ArchiveFormat | 'tar.bz2'
}

export interface StageOptions extends PackOptions {
  /** Local folder in which `conda-stage_TOKEN/NAME` is made. Default: the first suitable one of this machine. */
  path?: string
  /** Local folders to try first where there is no `path`; `{user}`, `{job}` and `~/` are replaced. */
  localFolders?: readonly string[]
  /** Try no other folders than these. */
  localFoldersOnly?: boolean
  /** Throw ALREADY_LOCAL where the environment lies on local disk, unless the copy is to be written to. Default: false. */
  skipLocal?: boolean
  /** Let the copy be written to. Default: it is read-only. */
  writable?: boolean
}

export interface UnstageOptions {
  /** Prefix of the staged copy. */
  prefix: string
  cwd?: string
  onProgress?: OnProgress
}

export interface PackResult {
  /** The environment that was packed. */
  prefix: string
  archive: string
  /** Size of the archive in bytes. */
  bytes: number
  /** True where the archive was fresh already and nothing was written. */
  fresh: boolean
  /** Why a new one was written, where there was one already. */
  reason?: string
  warnings: string[]
}

export interface StageResult {
  original: string
  /** The staged copy. */
  prefix: string
  /** `LOCAL/conda-stage_TOKEN`, which holds the copy and its record. */
  folder: string
  /** None where it could not be written, which was warned of. */
  archive?: string
  files: number
  bytes: number
  warnings: string[]
}

export interface UnstageResult {
  original: string
  /** The staged copy, which is gone. */
  prefix: string
}

export interface VerifyOptions {
  /** Prefix of the staged copy. */
  prefix: string
  cwd?: string
  signal?: AbortSignal
}

export interface VerifyResult {
  prefix: string
  original: string
  /** What is not as staging should have left it; none of it matters where all are `harmless`. */
  findings: Finding[]
}
