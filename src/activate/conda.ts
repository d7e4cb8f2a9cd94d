import { NOTHING } from './on-top.ts'
import { isWithin, swapPath } from './path.ts'
import { decoded } from './path-of.ts'
import type { Change, Variables } from './state.ts'
import type { PathStep, Step } from './steps.ts'
import { underVenv } from './under-venv.ts'

/**
 * By these conda's functions and conda itself find the installation: `Context.conda_exe_vars_dict` in conda/base/context.py, and
 * CONDA_ROOT in conda/__init__.py. What `conda activate` prints sets them again, to where it runs from. So a session whose conda
 * runs from a copy stays with the copy, whatever it activates.
 */
const NAMES = ['CONDA_EXE', '_CONDA_EXE', 'CONDA_PYTHON_EXE', '_CONDA_ROOT', 'CONDA_ROOT'] as const

/**
 * mamba 2 takes the installation from which PATH calls it for the one to work in, unless this variable names another
 * (`get_root_prefix_from_mamba_bin` in libmamba's configuration.cpp). What it makes in a copy would be gone with the copy.
 */
const ROOT_OF_MAMBA = 'MAMBA_ROOT_PREFIX'

/** What was exchanged, for planCondaBack(). JSON-serialisable; `null` is an unset variable. */
export interface CondaSnapshot {
  variables: Record<string, Change<string | null>>
  path?: Change<string>
  /** Entries of PATH that name the copy, and what stood there; null: nothing. */
  entries: [entry: string, before: string | null][]
}

interface Base {
  prefix: string
  /** With symbolic links resolved. */
  real: string
}

/** The folder of an installation whose programs a session has in PATH, besides conda's functions. */
const CONDABIN = '/condabin'

/**
 * Has the session call conda from a copy of its installation. Variables that are unset stay so. PATH names the copy where it names
 * the installation's condabin; where it has only the installation's bin, the copy's condabin goes before that.
 * @param hasCondabin whether the copy has that folder
 * @param hasMamba whether mamba is in it
 * @param abandon arguments for the launcher, if the session has a variable that can't be changed: then nothing is exchanged
 */
export function planConda({
  env,
  base,
  copy,
  hasCondabin,
  hasMamba,
  abandon,
}: {
  env: Variables
  base: Base
  copy: string
  hasCondabin: boolean
  hasMamba: boolean
  abandon?: string[] | undefined
}): { steps: Step[]; snapshot: CondaSnapshot } {
  const roots = [base.prefix, base.real]
  const values = NAMES.flatMap((name): [string, string][] => {
    const root = roots.find((root) => isWithin(env[name] ?? '', root))
    return root === undefined ? [] : [[name, copy + env[name]!.slice(root.length)]]
  })
  if (hasMamba && env[ROOT_OF_MAMBA] === undefined) values.push([ROOT_OF_MAMBA, base.prefix])
  const entries = hasCondabin ? entriesFor(env.PATH ?? '', roots, copy) : []
  const path = pathStep(env, entries)
  const before = decoded(env.PATH)
  return {
    steps: [
      {
        op: 'check',
        names: ['PATH', ...values.map(([name]) => name)],
        otherwise: [...(abandon ? [run(abandon)] : []), done],
      },
      path,
      ...stepsFor(values),
      { op: 'condaFrom', from: [...new Set(roots)], to: copy },
      { op: 'rehash' },
    ],
    snapshot: {
      variables: Object.fromEntries(
        values.map(([name, value]) => [name, { before: env[name] ?? null, after: value }] as const),
      ),
      ...(before !== undefined && { path: { before, after: swapPath(before, path) } }),
      entries: entries.map(([whole, becomes]) =>
        becomes === `${copy}${CONDABIN}` ? [becomes, whole] : [`${copy}${CONDABIN}`, null],
      ),
    },
  }
}

/**
 * Has the session call conda from its installation again. What conda has set since then leads to the installation, too.
 * @param snapshot from planConda(). Without it (the copy's conda was called by its path), every path in the copy becomes that in
 *   the installation.
 * @returns also the session's variables after these steps
 */
export function planCondaBack({
  env,
  copy,
  original,
  snapshot,
}: {
  env: Variables
  copy: Base
  original: string
  snapshot: CondaSnapshot | undefined
}): { steps: Step[]; env: Variables } {
  const values = [...NAMES, ROOT_OF_MAMBA].flatMap((name): [string, string | null][] => {
    const [change, now] = [snapshot?.variables[name], env[name]]
    if (change && change.after === now) return [[name, change.before]]
    const root = [copy.prefix, copy.real].find((root) => isWithin(now ?? '', root))
    return root === undefined ? [] : [[name, original + now!.slice(root.length)]]
  })
  const known = snapshot?.entries ?? []
  const condabin = `${copy.prefix}${CONDABIN}`
  const entries = known.some(([entry]) => entry === condabin)
    ? known
    : [...known, [condabin, `${original}${CONDABIN}`] as [string, string]]
  const exact = snapshot?.path && { when: snapshot.path.after, becomes: snapshot.path.before }
  const path = { ...pathStep(env, entries), ...(exact && { exact }) }
  const PATH = decoded(env.PATH)
  return {
    steps: [
      { op: 'check', names: ['PATH', ...values.map(([name]) => name)], otherwise: [{ op: 'return', status: 1 }] },
      path,
      ...underVenv({ env, original: NOTHING }, path),
      ...stepsFor(values),
      { op: 'condaFrom', from: [...new Set([copy.prefix, copy.real])], to: original },
      { op: 'rehash' },
    ],
    env: {
      ...env,
      ...Object.fromEntries(values.map(([name, value]) => [name, value ?? undefined])),
      ...(PATH !== undefined && { PATH: swapPath(PATH, path) }),
    },
  }
}

const run = (argv: string[]): Step => ({ op: 'run', argv })
const done: Step = { op: 'return', status: 0 }

function entriesFor(path: string, roots: readonly string[], copy: string): [string, string][] {
  const listed = path.split(':')
  const [condabins, bins] = [CONDABIN, '/bin'].map((folder) =>
    [...new Set(listed)].filter((entry) => roots.some((root) => entry.replace(/\/+$/, '') === root + folder)),
  )
  if (condabins!.length > 0) return condabins!.map((entry) => [entry, `${copy}${CONDABIN}`])
  return bins!.slice(0, 1).map((entry) => [entry, `${copy}${CONDABIN}:${entry}`])
}

function pathStep(env: Variables, entries: [string, string | null][]): PathStep {
  const seen = decoded(env.PATH)
  return { op: 'path', entries, from: [], keep: [], to: '', ...(seen !== undefined && { seen }) }
}

const stepsFor = (values: [string, string | null][]): Step[] =>
  values.map(([name, value]) => (value === null ? { op: 'unset', name } : { op: 'export', name, value }))
