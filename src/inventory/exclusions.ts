import { basename, join } from 'node:path'
import { isAutoScript } from '../model/auto-scripts.ts'
import { type BytePath, bytePathOf } from '../model/byte-path.ts'
import { lockNameOf } from '../model/file-names.ts'

/** Whether a path below the prefix, and everything below it, is not part of the environment. */
export type IsExcluded = (path: BytePath) => boolean

/**
 * Locks of package managers. They exist only while one of them works, or after it died: libmamba locks the folder conda-meta
 * with `conda-meta/conda-meta.lock`, pixi guards a prefix with `.guard`, and conda before 4.4 made `.conda_lock` or
 * `.conda_lock-PID`.
 */
const LOCK = /^(?:conda-meta\/conda-meta\.lock|\.guard|\.conda_lock(?:-\d+)?)$/

/**
 * The path of the environment, as pixi checks it. pixi offers to delete a folder in which it names another one, and never looks into
 * a copy, so no copy has it, in whatever form. Source: `verify_prefix_location_unchanged` in pixi's crates/pixi_core/src/environment/mod.rs.
 */
const PIXI_PREFIX = 'conda-meta/pixi_env_prefix'

/** The paths that conda-pack/prefix-record.ts writes, in a conda environment and in a virtual one. */
const UNPACK_RECORDS = ['conda-meta/conda-stage-prefixes', '.conda-stage-prefixes']

/**
 * Tells what neither goes into an archive nor makes it stale:
 * - `pkgs/` and `envs/` of a base prefix (package cache and other environments). Elsewhere, folders with these names belong
 *   to the environment.
 * - locks of package managers.
 * - the scripts of automatic staging.
 * - the path that pixi has noted of it.
 * - the record that conda-unpack reads in an environment that was unpacked from one of our archives: each archive has its own.
 * - our own archives inside the prefix: each of `archives` (absolute paths), its lock `.ARCHIVE.lock`, and the unfinished
 *   `.tmp.*` beside it.
 */
export function exclusions(
  environment: { prefix: string; real: string; isBase: boolean },
  archives: readonly string[] = [],
): IsExcluded {
  const exact = new Set<BytePath>([PIXI_PREFIX, ...UNPACK_RECORDS, ...(environment.isBase ? ['pkgs', 'envs'] : [])])
  const unfinished: BytePath[] = []
  for (const archive of archives) {
    for (const root of new Set([environment.prefix, environment.real])) {
      if (!archive.startsWith(`${root}/`)) continue
      const inside = archive.slice(root.length + 1)
      const beside = (name: string): BytePath => bytePathOf(join(inside, '..', name))
      exact.add(bytePathOf(inside)).add(beside(lockNameOf(basename(inside))))
      unfinished.push(beside('.tmp.'))
    }
  }
  return (path) =>
    exact.has(path) || LOCK.test(path) || isAutoScript(path) || unfinished.some((start) => path.startsWith(start))
}
