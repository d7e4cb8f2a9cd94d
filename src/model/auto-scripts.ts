import type { BytePath } from './byte-path.ts'

/**
 * Scripts that `--auto-stage` puts into an original, below `etc/conda`, each with the ending of its shell. conda runs
 * scripts in the order of their names, and backwards on the way out: both come last. Users of conda-stage 0.7.1 know the names.
 */
export const AUTO_STAGE = 'etc/conda/activate.d/zzz.conda-stage-auto'
export const AUTO_UNSTAGE = 'etc/conda/deactivate.d/000.conda-stage-auto'

/** What AUTO_UNSTAGE is called in a copy. */
export const LEAVE = 'etc/conda/deactivate.d/000.conda-stage-leave'

/** Folders that may have to be made for the scripts, a parent before what is in it. */
export const SCRIPT_FOLDERS: readonly BytePath[] = [
  'etc',
  'etc/conda',
  'etc/conda/activate.d',
  'etc/conda/deactivate.d',
]

/** Of a path below an original's prefix. */
export const isAutoScript = (path: BytePath): boolean =>
  /^etc\/conda\/(?:activate\.d\/zzz|deactivate\.d\/000)\.conda-stage-auto\.[a-z]+(?:\.tmp)?$/.test(path)
