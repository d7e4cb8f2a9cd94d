import { basename, delimiter, dirname, join } from 'node:path'
import { homeOf } from '../platform/home.ts'
import { readSmall } from '../platform/read-small.ts'
import { exists, readdir, realpath } from '../platform/remote-fs.ts'
import { originalBase } from './base-of-copy.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** conda appends a path to it for each environment that it makes. */
const MOST_LIST = 4 * 1024 * 1024
/** Some twenty lines are usual. */
const MOST_CONDARC = 32 * 1024

/** Undefined if it can't be read: conda itself complains then. */
const contentOf = (file: string, most: number): Promise<Buffer | undefined> =>
  readSmall(file, most).catch(() => undefined)

/** conda's list of all environments that it has made, wherever they are. Some may be gone. */
export async function listedPrefixes(env: Variables): Promise<string[]> {
  const text = String((await contentOf(join(homeOf(env), '.conda/environments.txt'), MOST_LIST)) ?? '')
  return [...new Set(text.split('\n').map((line) => line.trim()))].filter((path) => path.startsWith('/'))
}

/** Installations of conda and its like: those of the session, then the first on PATH. */
export async function basesOf(env: Variables): Promise<string[]> {
  const active = env.CONDA_DEFAULT_ENV === 'base' ? env.CONDA_PREFIX : undefined
  const bases = [
    env.CONDA_ROOT,
    env._CONDA_ROOT,
    baseOf(env.CONDA_EXE),
    env.MAMBA_ROOT_PREFIX,
    env.CONDA_PREFIX_1,
    active,
  ]
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue
    const program = await realpath(join(folder, 'conda')).catch(() => undefined)
    if (program !== undefined) bases.push(baseOf(program))
  }
  const found = bases.filter((base): base is string => base?.startsWith('/') ?? false)
  return [...new Set(await Promise.all(found.map(originalBase)))]
}

/** The installation from which the session's conda function, or else its PATH, calls conda. */
export async function baseOfSession(env: Variables): Promise<string | undefined> {
  const [named] = namesOfBase(env)
  if (named !== undefined) return named
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue
    const program = join(folder, 'conda')
    if (!(await exists(program))) continue
    // A link from elsewhere leads into the installation; the folder of an installation is named as it is.
    const base = baseOf(program)
    return base !== undefined && (await exists(join(base, 'conda-meta')))
      ? base
      : baseOf(await realpath(program).catch(() => undefined))
  }
  return undefined
}

/** The installations that a session's variables name, the one that its conda function calls first. */
export const namesOfBase = (env: Variables): string[] =>
  [baseOf(env.CONDA_EXE), baseOf(env._CONDA_EXE), env._CONDA_ROOT].filter(
    (base): base is string => base?.startsWith('/') ?? false,
  )

/** BASE of BASE/bin/conda or BASE/condabin/conda. */
function baseOf(program: string | undefined): string | undefined {
  if (program === undefined) return undefined
  const folder = dirname(program)
  return ['bin', 'condabin'].includes(basename(folder)) ? dirname(folder) : undefined
}

/** Folders that hold environments by their names, in conda's order. */
export async function environmentFolders(env: Variables, bases: readonly string[]): Promise<string[]> {
  const home = homeOf(env)
  const fromVariables = [env.CONDA_ENVS_DIRS, env.CONDA_ENVS_PATH].flatMap((value) => value?.split(delimiter) ?? [])
  const configured = await configuredFolders(env, home, bases)
  const beside = bases.map((base) => join(base, 'envs'))
  const active = dirname(env.CONDA_PREFIX ?? '')
  const all = [...fromVariables, ...configured, ...beside, join(home, '.conda/envs')]
  if (basename(active) === 'envs') all.push(active)
  return [...new Set(all.map((folder) => expand(folder, env, home)).filter((folder) => folder.startsWith('/')))]
}

/** `envs_dirs` of the configuration files of conda and mamba. */
async function configuredFolders(env: Variables, home: string, bases: readonly string[]): Promise<string[]> {
  const config = env.XDG_CONFIG_HOME?.startsWith('/') ? env.XDG_CONFIG_HOME : join(home, '.config')
  const ofBoth = [home, join(home, '.conda'), join(config, 'conda'), ...bases, '/var/lib/conda', '/etc/conda']
  const ofMamba = [join(home, '.mamba'), join(config, 'mamba')]
  const places = [
    ...ofBoth.map((folder) => configurationFiles(folder, 'condarc')),
    ...ofMamba.map((folder) => configurationFiles(folder, 'mambarc')),
  ]
  const files = [...(await Promise.all(places)).flat(), ...ofBoth.map((folder) => join(folder, '.mambarc'))]
  const found: string[] = []
  for (const file of [env.CONDARC, env.MAMBARC, ...files]) {
    const condarc = file && (await contentOf(file, MOST_CONDARC))
    // Most of these files name no folders, and the parser takes its time to load.
    if (condarc && /envs_(dirs|path)/.test(String(condarc))) found.push(...(await foldersIn(condarc)))
  }
  return found
}

/** conda reads the files of `condarc.d` in the order of their names, and later ones win. mamba has a `mambarc.d` besides. */
async function configurationFiles(folder: string, name: 'condarc' | 'mambarc'): Promise<string[]> {
  const names = await readdir(join(folder, `${name}.d`)).catch(() => [])
  const parts = names
    .filter((part) => /\.ya?ml$/.test(part))
    .sort()
    .reverse()
  return [...parts.map((part) => join(`${name}.d`, part)), name, `.${name}`].map((file) => join(folder, file))
}

async function foldersIn(condarc: Buffer): Promise<string[]> {
  const { valuesIn } = await import('../config/yaml.ts')
  const { envs_dirs, envs_path } = valuesIn(condarc)
  return [envs_dirs ?? envs_path].flat().filter((folder) => typeof folder === 'string')
}

/** As conda does it in its configuration: `~`, `$NAME` and `${NAME}`. */
function expand(folder: string, env: Variables, home: string): string {
  const text = folder.trim().replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, braced, plain) => env[braced ?? plain] ?? all)
  return text.replace(/^~(?=\/|$)/, () => home).replace(/(?<=.)\/+$/, '')
}
