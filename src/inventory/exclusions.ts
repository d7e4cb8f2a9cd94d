import { basename, join } from 'node:path'
import { isAutoScript } from '../model/auto-scripts.ts'
import { type BytePath, bytePathOf } from '../model/byte-path.ts'

/** Says of a path below the prefix that it, and all below it, is no part of the environment. */
export type IsExcluded = (path: BytePath) => boolean

/**
 * Locks of package managers, which stand in an environment only while one of them works or after it died:
 * libmamba locks the folder conda-meta by `conda-meta/conda-meta.lock`, pixi guards a prefix by `.guard`, conda before 4.4
 * made `.conda_lock` or `.conda_lock-PID`.
 */
const LOCK = /^(?:conda-meta\/conda-meta\.lock|\.guard|\.conda_lock(?:-\d+)?)$/

/** Where conda-pack/prefix-record.ts has it. */
const UNPACK_RECORD = 'conda-meta/conda-stage-prefixes'

/**
 * What is left out of an archive, and of the question whether it is fresh:
 * - `pkgs/` and `envs/` of a base prefix (package cache and other environments). Elsewhere folders of these names belong
 *   to the environment.
 * - locks of package managers.
 * - the scripts of automatic staging.
 * - what conda-unpack goes by in an environment that was unpacked from an archive of ours: each archive has its own.
 * - our own archives, where they lie inside the prefix: each of `archives` (absolute paths), its lock `.ARCHIVE.lock`,
 *   and the unfinished `.tmp.*` beside it.
 */
export function exclusions(
  environment: { prefix: string; real: string; isBase: boolean },
  archives: readonly string[] = [],
): IsExcluded {
  const exact = new Set<BytePath>([UNPACK_RECORD, ...(environment.isBase ? ['pkgs', 'envs'] : [])])
  const unfinished: BytePath[] = []
  for (const archive of archives) {
    for (const root of new Set([environment.prefix, environment.real])) {
      if (!archive.startsWith(`${root}/`)) continue
      const inside = archive.slice(root.length + 1)
      const beside = (name: string): BytePath => bytePathOf(join(inside, '..', name))
      exact.add(bytePathOf(inside)).add(beside(`.${basename(inside)}.lock`))
      unfinished.push(beside('.tmp.'))
    }
  }
  return (path) =>
    exact.has(path) || LOCK.test(path) || isAutoScript(path) || unfinished.some((start) => path.startsWith(start))
}
