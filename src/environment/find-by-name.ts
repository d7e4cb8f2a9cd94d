import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { StageError } from '../errors.ts'

type Variables = Readonly<Record<string, string | undefined>>

/**
 * The prefix of the environment that conda knows by a name, found without starting conda: in the folders that variables and
 * conda's configuration name, beside the base, then in conda's list of all environments.
 * @throws StageError USAGE, NO_ENVIRONMENT
 */
export async function findByName(name: string, env: Variables): Promise<string> {
  if (name.includes('/'))
    throw new StageError('USAGE', `--name=${name} is a path`, { hint: 'Give it with --prefix=PATH.' })
  const home = env.HOME || homedir()
  const bases = await basesOf(env)
  if (name === 'base' || name === 'root') {
    for (const base of bases) if (await isEnvironment(base)) return base
    notFound(name, bases)
  }
  const folders = await environmentFolders(env, home, bases)
  for (const folder of folders) if (await isEnvironment(join(folder, name))) return join(folder, name)
  const listed = await listedEnvironments(name, home)
  if (listed.length > 1) {
    throw new StageError(
      'NO_ENVIRONMENT',
      `${listed.length} environments have the name ${name}: ${listed.join(', ')}`,
      {
        hint: 'Give the path of one with --prefix=PATH.',
      },
    )
  }
  return listed[0] ?? notFound(name, [...folders, '~/.conda/environments.txt'])
}

function notFound(name: string, places: readonly string[]): never {
  throw new StageError(
    'NO_ENVIRONMENT',
    `there is no environment of the name ${name}${places.length > 0 ? ` in ${places.join(', ')}` : ''}`,
    {
      hint: "Give its path with --prefix=PATH ('conda env list' shows all).",
    },
  )
}

/** Installations of conda and its like: those of the session, then the first on PATH. */
async function basesOf(env: Variables): Promise<string[]> {
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
  return [...new Set(bases.filter((base): base is string => base?.startsWith('/') ?? false))]
}

/** BASE of BASE/bin/conda or BASE/condabin/conda. */
function baseOf(program: string | undefined): string | undefined {
  if (program === undefined) return undefined
  const folder = dirname(program)
  return ['bin', 'condabin'].includes(basename(folder)) ? dirname(folder) : undefined
}

/** Folders that hold environments by their names, in conda's order. */
async function environmentFolders(env: Variables, home: string, bases: readonly string[]): Promise<string[]> {
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
  const places = [home, join(home, '.conda'), join(config, 'conda'), ...bases, '/var/lib/conda', '/etc/conda']
  const files = (await Promise.all(places.map(configurationFiles))).flat()
  const found: string[] = []
  for (const file of [env.CONDARC, env.MAMBARC, ...files]) {
    const text = file && (await readFile(file, 'utf8').catch(() => undefined))
    // Most of these files name no folders, and the parser takes its time to load.
    if (text && /envs_(dirs|path)/.test(text)) found.push(...(await foldersIn(text)))
  }
  return found
}

/** conda reads the files of `condarc.d` in the order of their names, and later ones win. */
async function configurationFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'condarc.d')).catch(() => [])
  const parts = names
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .reverse()
  const files = [...parts.map((name) => join('condarc.d', name)), 'condarc', '.condarc', '.mambarc']
  return files.map((file) => join(folder, file))
}

async function foldersIn(text: string): Promise<string[]> {
  const { parse } = await import('yaml')
  try {
    const values: unknown = parse(text)
    const { envs_dirs, envs_path } = values as Record<string, unknown>
    return [envs_dirs ?? envs_path].flat().filter((folder) => typeof folder === 'string')
  } catch {
    // conda itself complains about such a file.
    return []
  }
}

/** As conda does it in its configuration: `~`, `$NAME` and `${NAME}`. */
function expand(folder: string, env: Variables, home: string): string {
  const text = folder.trim().replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, braced, plain) => env[braced ?? plain] ?? all)
  return text.replace(/^~(?=\/|$)/, () => home).replace(/(?<=.)\/+$/, '')
}

/** Environments of that name in conda's list of all that it has made, wherever they are. */
async function listedEnvironments(name: string, home: string): Promise<string[]> {
  const text = await readFile(join(home, '.conda/environments.txt'), 'utf8').catch(() => '')
  const paths = [...new Set(text.split('\n').map((line) => line.trim()))].filter((path) => basename(path) === name)
  const found: string[] = []
  for (const path of paths) if (await isEnvironment(path)) found.push(path)
  return found
}

const isEnvironment = (path: string): Promise<boolean> =>
  stat(join(path, 'conda-meta')).then(
    (facts) => facts.isDirectory(),
    () => false,
  )
