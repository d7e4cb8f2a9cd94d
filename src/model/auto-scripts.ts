import type { BytePath } from './byte-path.ts'

/**
 * Scripts that `--auto-stage` puts into an original, each with its shell's extension. conda runs scripts in the order of
 * their names, and in reverse on the way out, so both come last. conda-stage 0.7.1 uses the same names.
 */
export const AUTO_STAGE = 'etc/conda/activate.d/zzz.conda-stage-auto'
export const AUTO_UNSTAGE = 'etc/conda/deactivate.d/000.conda-stage-auto'

/** The name of AUTO_UNSTAGE in a copy. */
export const LEAVE = 'etc/conda/deactivate.d/000.conda-stage-leave'

/** @param path of a script in a copy's deactivate.d */
export const isLeaveScript = (path: string): boolean => path.includes(`/${LEAVE}.`)

/** Folders that enabling may make for the scripts, parents first. */
export const SCRIPT_FOLDERS: readonly BytePath[] = [
  'etc',
  'etc/conda',
  'etc/conda/activate.d',
  'etc/conda/deactivate.d',
]

/** @param path below an original's prefix */
export const isAutoScript = (path: BytePath): boolean =>
  /^etc\/conda\/(?:activate\.d\/zzz|deactivate\.d\/000)\.conda-stage-auto\.[a-z]+(?:\.tmp)?$/.test(path)
