import { resolve } from 'node:path'
import type { EditableInstall } from '../environment/editable.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** Why a program asks for a name that is not in the copy, and what the user can do. */
export interface Cause {
  kind:
    | 'original'
    | 'user site'
    | 'variable'
    | 'current folder'
    | 'named by the command'
    | 'editable install'
    | 'link out of the environment'
    | 'conda'
    | 'home'
    | 'other'
  why: string
  remedy: string
  /** What the names have in common: their folder, where the cause has one. */
  folder?: string
}

export interface Circumstances {
  env: Variables
  home: string
  cwd: string
  command: readonly string[]
  copy: string
  /** All spellings of the original's path that are known. */
  originals: readonly string[]
  editable: readonly EditableInstall[]
}

/** What was asked for: as the program named it, and where that stands. */
export interface Asked {
  /** Normal form: without `.` and `..`. */
  path: string
  real: string
}

/** Says why a name was asked for; the first rule that knows it counts. */
export function causeOf(asked: Asked, circumstances: Circumstances): Cause {
  for (const rule of RULES) {
    const cause = rule(asked, circumstances)
    if (cause) return cause
  }
  return {
    kind: 'other',
    why: 'a program asks for this path itself',
    remedy: 'Look for a setting of that program, or copy what it needs to local disk.',
  }
}

type Rule = (asked: Asked, circumstances: Circumstances) => Cause | undefined

const RULES: readonly Rule[] = [
  userSite,
  original,
  editableInstall,
  linkOut,
  byVariable,
  byCommand,
  conda,
  currentFolder,
  inHome,
]

/** site.py of CPython: `USER_BASE/lib/pythonX.Y/site-packages`, looked up at each start. */
function userSite({ path }: Asked, { env, home }: Circumstances): Cause | undefined {
  const base = env.PYTHONUSERBASE || `${home}/.local`
  const folder = new RegExp(`^${escaped(base)}/lib/python[\\d.]+t?/site-packages`).exec(path)?.[0]
  if (folder === undefined) return undefined
  return {
    kind: 'user site',
    why: "Python looks for your own packages ('pip install --user') at each start",
    remedy: 'PYTHONNOUSERSITE=1 switches that off. If you need them, install them into the environment.',
    folder,
  }
}

function original({ path, real }: Asked, { originals, env }: Circumstances): Cause | undefined {
  const prefix = originals.find((each) => isBelow(path, each) || isBelow(real, each))
  if (prefix === undefined) return undefined
  const variable = namingVariable(path, env)
  const folder = prefix
  if (variable)
    return {
      kind: 'original',
      why: `${variable.name} names the original: ${variable.entry}`,
      remedy: `Unset ${variable.name}, or set it after staging.`,
      folder,
    }
  return {
    kind: 'original',
    why: 'something uses the path of the original',
    remedy:
      "'conda-stage --verify --prefix=COPY' lists files of the copy that do; 'conda-stage --exec' puts the copy in the original's place.",
    folder,
  }
}

function editableInstall({ path, real }: Asked, { editable }: Circumstances): Cause | undefined {
  const install = editable.find(({ target }) => isBelow(path, target) || isBelow(real, target))
  if (install === undefined) return undefined
  return {
    kind: 'editable install',
    why: `${install.project} is an editable install: Python uses its sources where they are`,
    remedy: `Install it without -e ('pip install PATH'), or keep its sources on local disk.`,
    folder: install.target,
  }
}

function linkOut({ path, real }: Asked, { copy }: Circumstances): Cause | undefined {
  if (!isBelow(path, copy) || isBelow(real, copy)) return undefined
  return {
    kind: 'link out of the environment',
    why: `a symbolic link in the environment leads there: ${path.slice(copy.length + 1)}`,
    remedy: 'In the original, replace the link with what it leads to, and stage again.',
  }
}

/** These name folders in which a user works, or what conda knows, and not where programs look for files. */
const NO_SEARCH = /^(?:HOME|PWD|OLDPWD|_|SHELL|CONDA_.*|_CONDA_.*|MAMBA_.*|PIXI_.*|SLURM_.*|PBS_.*)$/

const REMEDIES: Readonly<Record<string, string>> = {
  PATH: 'Remove it from PATH, or put it last: every search for a program looks there, too.',
  PYTHONPATH: 'Unset PYTHONPATH, or install what it names into the environment.',
  LD_LIBRARY_PATH:
    'Unset LD_LIBRARY_PATH: every library is looked for there first. The environment finds its own libraries without it.',
  TMPDIR: 'Set TMPDIR to a folder on local disk.',
}

function byVariable({ path }: Asked, { env }: Circumstances): Cause | undefined {
  const found = namingVariable(path, env)
  if (!found) return undefined
  const { name, entry } = found
  return {
    kind: 'variable',
    why: `${name} names it`,
    remedy: REMEDIES[name] ?? `Unset ${name}, or have it name a folder on local disk.`,
    folder: entry,
  }
}

/** The variable with the most of the path among its entries. */
function namingVariable(path: string, env: Variables): { name: string; entry: string } | undefined {
  let best: { name: string; entry: string } | undefined
  for (const [name, value] of Object.entries(env)) {
    if (NO_SEARCH.test(name)) continue
    for (const entry of value?.split(':') ?? []) {
      const folder = resolve('/', entry)
      if (!entry.startsWith('/') || folder === '/' || !isBelow(path, folder)) continue
      if (folder.length > (best?.entry.length ?? 0)) best = { name, entry: folder }
    }
  }
  return best
}

function byCommand({ path }: Asked, { command, cwd }: Circumstances): Cause | undefined {
  const word = command.find((each) => each.includes('/') && isBelow(path, resolve(cwd, each)))
  if (word === undefined) return undefined
  return {
    kind: 'named by the command',
    why: `the command names it: ${word}`,
    remedy: 'Copy it to local disk first, if it is read more than once.',
    folder: resolve(cwd, word),
  }
}

function conda({ path }: Asked, { env }: Circumstances): Cause | undefined {
  const root = env.CONDA_EXE && /^(\/.+)\/(?:bin|condabin)\/[^/]+$/.exec(env.CONDA_EXE)?.[1]
  const named = root || env.MAMBA_ROOT_PREFIX
  if (!named || !isBelow(path, named)) return undefined
  return {
    kind: 'conda',
    why: 'the installation of conda itself is used',
    remedy: 'Call the program itself instead of conda, mamba or micromamba (no `conda run`).',
    folder: named,
  }
}

function currentFolder({ path }: Asked, { cwd }: Circumstances): Cause | undefined {
  if (!isBelow(path, cwd) || cwd === '/') return undefined
  return {
    kind: 'current folder',
    why: 'it is in the current folder, which Python looks through first for each module that it imports',
    remedy: 'Start in a folder on local disk, or set PYTHONSAFEPATH=1 (Python 3.11 and newer).',
    folder: cwd,
  }
}

/** Where common programs keep their settings, and what moves that. */
const SETTINGS: readonly (readonly [folder: string, remedy: string])[] = [
  ['.local/share/jupyter', 'JUPYTER_DATA_DIR names another folder, such as one on local disk.'],
  ['.local/etc/jupyter', 'JUPYTER_CONFIG_DIR and JUPYTER_NO_CONFIG=1 change where Jupyter looks.'],
  ['.jupyter', 'JUPYTER_CONFIG_DIR names another folder, such as one on local disk.'],
  ['.ipython', 'IPYTHONDIR names another folder, such as one on local disk.'],
  ['.config/matplotlib', 'MPLCONFIGDIR names another folder, such as one on local disk.'],
  ['.cache/matplotlib', 'MPLCONFIGDIR names another folder, such as one on local disk.'],
  ['.cache/huggingface', 'HF_HOME names another folder, such as one on local disk.'],
  ['.cache/torch', 'TORCH_HOME names another folder, such as one on local disk.'],
  ['.nv', 'CUDA_CACHE_PATH names another folder, such as one on local disk.'],
  ['.cache', 'XDG_CACHE_HOME names another folder, such as one on local disk.'],
  ['.config', 'XDG_CONFIG_HOME names another folder, such as one on local disk.'],
  ['.local/share', 'XDG_DATA_HOME names another folder, such as one on local disk.'],
]

function inHome({ path }: Asked, { home }: Circumstances): Cause | undefined {
  if (!isBelow(path, home) || home === '/') return undefined
  const [folder, remedy] = SETTINGS.find(([each]) => isBelow(path, `${home}/${each}`)) ?? []
  return {
    kind: 'home',
    why: 'a program looks for its settings or its cache in your home',
    remedy: remedy ?? 'A few look-ups at each start do no harm. For more, look for a setting of that program.',
    ...(folder !== undefined && { folder: `${home}/${folder}` }),
  }
}

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
