import { basename, dirname, join } from 'node:path'
import type { BytePath } from '../model/byte-path.ts'
import { homeOf } from '../platform/home.ts'
import { stat } from '../platform/remote-fs.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** By this file pixi knows an environment. */
const MARK = 'conda-meta/pixi'

/** `real` has symbolic links resolved: pixi makes `.pixi/envs` a link to where detached environments are. */
interface Paths {
  prefix: string
  real: string
}

/** What the path of an environment of pixi tells. */
interface PixiPlace {
  /** undefined: an environment of `pixi global`, which belongs to no workspace. */
  workspace: string | undefined
  environment: string
  /** Other folders have such paths, too. */
  isUncertain?: true
}

/** The folder of ours in pixi's own. pixi looks at no folder there but its own ones, and its `.gitignore` says `*`. */
const FOLDER = 'conda-stage'

/** The hash in the name of a folder of detached environments: a number of 64 bits, of which few have less than 17 digits. */
const DETACHED = /^(.+)-\d{15,20}$/

/**
 * The name of an environment that pixi made; undefined if it is none. People call such an environment by its workspace, since most are
 * `default`. pixi itself puts a colon before the names of others, which PATH can't hold.
 *
 * The path tells, without a look-up: `WORKSPACE/.pixi/envs/NAME`, and `PIXI_HOME/envs/NAME` for `pixi global`. Only a detached
 * environment, `FOLDER/WORKSPACE-HASH/envs/NAME`, takes a look at the file by which pixi knows it.
 *
 * Sources: `default_pixi_dir` and `detached_environments_path` in pixi's crates/pixi_core/src/workspace/mod.rs, `EnvRoot` in its
 * crates/pixi_global/src/common.rs.
 */
export async function pixiName(paths: Paths, env: Variables): Promise<string | undefined> {
  const place = pixiPlace(paths, env)
  if (place === undefined || (place.isUncertain && !(await isMarked(paths)))) return undefined
  const { workspace, environment } = place
  if (workspace === undefined) return environment
  return environment === 'default' ? workspace : `${workspace}-${environment}`
}

/**
 * Where the archive of an environment of pixi goes, without the extension. Not into `envs`: pixi takes what stands there for
 * environments. `pixi clean` removes only pixi's own folders, so the archive stays, and an environment that is installed again
 * takes from it what did not change.
 */
export function pixiArchiveBase(paths: Paths): string {
  const path = insideEnvs(paths)
  return join(dirname(dirname(path)), FOLDER, basename(path))
}

/** Whether an environment with this path may be pixi's. */
export const maybePixi = (prefix: string, env: Variables): boolean =>
  pixiPlace({ prefix, real: prefix }, env) !== undefined

function pixiPlace(paths: Paths, env: Variables): PixiPlace | undefined {
  const path = insideEnvs(paths)
  const [environment, envs, root] = [basename(path), dirname(path), dirname(dirname(path))]
  if (basename(envs) !== 'envs') return undefined
  const homes = [env.PIXI_HOME, join(homeOf(env), '.pixi')]
  if (homes.includes(root) || homes.includes(dirname(dirname(paths.prefix))))
    return { workspace: undefined, environment }
  if (basename(root) === '.pixi') return { workspace: basename(dirname(root)), environment }
  const workspace = DETACHED.exec(basename(root))?.[1]
  return workspace === undefined ? undefined : { workspace, environment, isUncertain: true }
}

/** A link that somebody made of the environment itself leads out of `envs`. */
const insideEnvs = ({ prefix, real }: Paths): string => (basename(dirname(real)) === 'envs' ? real : prefix)

const isMarked = ({ real }: Paths): Promise<boolean> =>
  stat(`${real}/${MARK}`).then(
    () => true,
    () => false,
  )

/**
 * Whether pixi writes a file again, as it was, whenever it has made sure that an environment is up to date. Then that says nothing
 * about what is installed, which shows in the records and in site-packages.
 *
 * Sources: `create_history_file` and `write_environment_file` in pixi's crates/pixi_core/src/environment/.
 */
export function rewrittenByPixi(entries: Iterable<{ path: BytePath }>): (path: BytePath) => boolean {
  for (const { path } of entries) if (path === MARK) return (each) => each === MARK || each === 'conda-meta/history'
  return () => false
}
