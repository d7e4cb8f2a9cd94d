import { basename, dirname, resolve } from 'node:path'
import { StageError } from '../errors.ts'
import { activePrefix } from '../model/active.ts'
import { isMisread, retiredArchiveOf } from '../model/file-names.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import type { Siblings } from '../model/relocation.ts'
import { exists, readdir, realpath, stat } from '../platform/remote-fs.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import { originalBase } from './base-of-copy.ts'
import { pixiName } from './pixi.ts'

/**
 * An environment: a folder that holds a `conda-meta` folder, whatever tool made it, or that has a `pyvenv.cfg` (PEP 405), which
 * venv, virtualenv and uv write.
 */
export interface Environment {
  kind: EnvironmentKind
  /** The logical path, as it was given: absolute, symbolic links not resolved, no slash at the end. */
  prefix: string
  /** The path with symbolic links resolved. */
  real: string
  /** That path is not valid UTF-8, and `real` is `prefix`: what names the environment by it is not found. */
  isRealUnnamed?: true
  /** Last part of `prefix`. Of an environment of pixi, what people call it. */
  name: string
  /** Whether conda itself lives in it. Such an environment holds the package cache and other environments. */
  isBase: boolean
  /** User id of the owner of the folder, not of a link to it. */
  ownerUid: number
  /** Further spellings of the prefix that its files use. Only known while it is packed. */
  spellings?: readonly string[]
  /** Known while it is packed, see `withSiblings`. */
  siblings?: Siblings
}

/** The original prefixes in the index's order: the logical one, the real one if it differs or more follow, further spellings. */
export const prefixesOf = ({
  prefix,
  real,
  spellings = [],
}: Pick<Environment, 'prefix' | 'real' | 'spellings'>): string[] =>
  prefix === real && spellings.length === 0 ? [prefix] : [prefix, real, ...spellings]

export interface FindOptions {
  /** From --prefix. The default is the active environment, see `activePrefix`. */
  prefix?: string
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** The prefix may also be that of a Python which is no environment. */
  asBase?: boolean
}

/** @throws StageError USAGE, NO_ENVIRONMENT, NOT_AN_ENVIRONMENT, UNREADABLE. */
export async function findEnvironment({ prefix: given, env, cwd, asBase }: FindOptions): Promise<Environment> {
  if (given === '') throw new StageError('USAGE', '--prefix is empty', { hint: 'Give the path of an environment.' })
  const wanted = given ?? activePrefix(env)
  if (!wanted) {
    throw new StageError('NO_ENVIRONMENT', 'no environment is active', {
      hint: 'Activate a conda environment (conda activate NAME) or a virtual environment (. ENV/bin/activate), or name one with --prefix=PATH.',
    })
  }
  const prefix = resolve(cwd, wanted)
  const folder = await lookUp(prefix)
  if (folder === undefined) throw (await exists(retiredArchiveOf(prefix))) ? retired(prefix) : noSuchFolder(prefix)
  const kind = folder.isDirectory() ? ((await kindAt(prefix)) ?? (asBase ? 'python' : undefined)) : undefined
  if (kind === undefined) throw notAnEnvironment(prefix, 'is no environment')
  if (prefix === '/') throw notAnEnvironment(prefix, "is the root of the file system and can't be staged")
  const real = await realpath(prefix).catch(asUnreadable(prefix))
  // Then it can only be reached by the path that was given.
  const isNamed = !isMisread(real)
  const paths = { prefix, real: isNamed ? real : prefix }
  const ofPixi = kind === 'conda' ? await pixiName(paths, env) : undefined
  return {
    kind: ofPixi === undefined ? kind : 'pixi',
    ...paths,
    ...(!isNamed && { isRealUnnamed: true }),
    name: ofPixi ?? basename(prefix),
    isBase: kind === 'conda' && (await isBase(prefix, real, env)),
    ownerUid: folder.uid,
  }
}

/** What kind of environment a folder is; undefined if none. One look-up for conda's. */
export async function kindAt(prefix: string): Promise<EnvironmentKind | undefined> {
  if (await isFolder(`${prefix}/conda-meta`)) return 'conda'
  return (await lookUp(`${prefix}/pyvenv.cfg`))?.isFile() ? 'venv' : undefined
}

/**
 * Base is the environment that the session's conda or mamba names, or that is active by that name: micromamba's hook alone sets no
 * variable for its root. Without a session, it is one that has a package manager installed and also has the folders of a base.
 * Either alone is no sign: conda may be installed anywhere, and `pkgs` may be any folder. The root of micromamba needs no
 * package. It is one that holds environments and a package cache, which has `urls.txt`.
 */
async function isBase(prefix: string, real: string, env: FindOptions['env']): Promise<boolean> {
  const active = env.CONDA_DEFAULT_ENV === 'base' && !isNamedBase(env.CONDA_PREFIX) ? env.CONDA_PREFIX : undefined
  const roots = [env.CONDA_ROOT, env._CONDA_ROOT, env.MAMBA_ROOT_PREFIX, rootOf(env.CONDA_EXE), active]
  for (const root of roots.filter((root) => root?.startsWith('/'))) {
    const path = await originalBase(resolve(root as string))
    if (path === prefix || path === real) return true
  }
  const [envs, pkgs] = await Promise.all([isFolder(`${prefix}/envs`), isFolder(`${prefix}/pkgs`)])
  if (!envs && !pkgs) return false
  const records = await readdir(`${prefix}/conda-meta`).catch(asUnreadable(`${prefix}/conda-meta`))
  if (records.some((name) => /^(?:conda|mamba|micromamba)-\d[^-]*-[^-]+\.json$/.test(name))) return true
  return envs && pkgs && (await exists(`${prefix}/pkgs/urls.txt`)) && (await holdsEnvironments(`${prefix}/envs`))
}

/** An environment of that name in a folder for environments. */
const isNamedBase = (prefix = ''): boolean => basename(dirname(prefix)) === 'envs'

/** Some of them may be closed to us. */
async function holdsEnvironments(folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => []))
    if (await isFolder(`${folder}/${name}/conda-meta`).catch(() => false)) return true
  return false
}

/** ROOT of ROOT/bin/conda or ROOT/condabin/conda. */
function rootOf(condaExe: string | undefined): string | undefined {
  if (condaExe === undefined) return undefined
  const folder = dirname(condaExe)
  return ['bin', 'condabin'].includes(basename(folder)) ? dirname(folder) : undefined
}

const isFolder = async (path: string): Promise<boolean> => (await lookUp(path))?.isDirectory() ?? false

/** Undefined if there is nothing. */
async function lookUp(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (isGone(error)) return undefined
    throw unreadable(path, error)
  }
}

const asUnreadable =
  (path: string) =>
  (error: unknown): never => {
    throw unreadable(path, error)
  }

function retired(prefix: string): StageError {
  const archive = retiredArchiveOf(prefix)
  return new StageError('NOT_AN_ENVIRONMENT', `${prefix} is retired: only its archive is there`, {
    path: prefix,
    hint: `conda-stage --archive='${archive}' stages it. conda-stage --restore --prefix='${prefix}' brings it back.`,
  })
}

function noSuchFolder(prefix: string): StageError {
  if (isMisread(prefix)) {
    return new StageError('NOT_AN_ENVIRONMENT', `the environment's path is not valid UTF-8: ${prefix}`, {
      path: prefix,
      hint: 'Reach it through a symbolic link whose path is valid UTF-8.',
    })
  }
  return notAnEnvironment(prefix, 'does not exist')
}

const notAnEnvironment = (prefix: string, what: string): StageError =>
  new StageError('NOT_AN_ENVIRONMENT', `${prefix} ${what}`, {
    path: prefix,
    hint: "An environment is a folder that holds a conda-meta folder, or a pyvenv.cfg. Give its path, or a conda environment's name with -n NAME.",
  })
