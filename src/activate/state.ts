import { basename, dirname } from 'node:path'
import { exportedName } from './exported-name.ts'
import type { PrefixFacts } from './facts.ts'
import { promptOfPixi, swapPixiPart } from './pixi.ts'
import { replaceFirst, replaceName, swapModifier } from './prompt.ts'

/** True while a copy is active, as with conda-stage 0.7.1. */
export const STAGED = 'CONDA_STAGE_STAGED'

/** The session's exported variables. */
export type Variables = Readonly<Record<string, string | undefined>>

/** What the session's shell holds. */
interface ShellState {
  env: Variables
  /** `undefined` if PS1 is not set. */
  ps1?: string | undefined
}

/** The two environments of which one replaces the other in the session. */
export interface Swap extends ShellState {
  original: PrefixFacts
  staged: PrefixFacts
}

/** What staging replaced, for planUnstage(). JSON-serialisable; it is kept with the stage. `null` is an unset variable. */
export interface Snapshot {
  /** The stage went on top of what was active, see on-top.ts. */
  isOnTop?: true
  variables: Record<string, Change<string | null>>
  ps1?: Change<string>
  /** In a session of pixi: variables that follow the environment. */
  following?: Record<string, Change<string>>
  /** The environment's part of the prompt, even if there is no CONDA_PROMPT_MODIFIER. */
  modifier: Change<string>
}

export interface Change<T> {
  before: T
  after: T
}

/** New values of exported variables except PATH; `null` unsets. And PS1, `undefined` if it stays. */
export interface NewState {
  values: Record<string, string | null>
  ps1: string | undefined
  /** Where a shell keeps a virtual environment's name out of PS1: what it is there, and what it becomes. */
  label?: [from: string, to: string]
  /** In a session of pixi: the environment's part of the prompt. */
  pixiPart?: string
}

/**
 * The state in which `conda deactivate; conda activate STAGE` leaves the session, plus the `*` in the prompt.
 * `modifier` is the stage's part of the prompt.
 */
export function stateOfStage(swap: Swap): NewState & { modifier: string } {
  const { env, original, staged } = swap
  const pixi = promptOfPixi(env)
  if (pixi !== undefined) {
    const ps1 = swapPixiPart(swap.ps1, pixi.plain, pixi.starred)
    return { values: stageValues(swap), ps1, modifier: env.CONDA_PROMPT_MODIFIER ?? '', pixiPart: pixi.starred }
  }
  const hasConda = env.CONDA_SHLVL !== undefined
  const name = env.CONDA_DEFAULT_ENV || original.prefix
  const label = basename(name)
  const old = env.CONDA_PROMPT_MODIFIER
  const names = [name, original.prefix, original.real, basename(original.prefix)]
  // An empty modifier means `changeps1: false`. If there is none at all, the stage's part goes in front of the prompt.
  const modifier = old === undefined ? `(${label}*) ` : replaceName(old, names, `${label}*`)
  const values = stageValues(swap)
  if (hasConda || env.CONDA_DEFAULT_ENV !== undefined) values.CONDA_DEFAULT_ENV = condaName(staged.prefix, env)
  if (hasConda || old !== undefined) values.CONDA_PROMPT_MODIFIER = modifier
  return { values, ps1: swapModifier(swap.ps1, old, modifier), modifier }
}

/** CONDA_PREFIX and the environment's own variables. */
function stageValues({ env, original, staged }: Swap): NewState['values'] {
  const values: NewState['values'] = { CONDA_PREFIX: staged.prefix }
  for (const key of Object.keys(original.variables)) values[exportedName(env, key)] = savedValue(env, key)
  for (const [key, value] of Object.entries(staged.variables)) values[exportedName(env, key)] = value
  return values
}

/**
 * The state from before staging. Whatever is still as staging left it becomes exactly what it was. Whatever the session
 * changed since then keeps its change, with the original's path instead of the stage's.
 */
export function stateOfOriginal(swap: Swap, snapshot: Snapshot | undefined): NewState {
  const { env, original, staged } = swap
  const restored = (name: string, otherwise: () => string | null): string | null => {
    const change = snapshot?.variables[name]
    return change && change.after === (env[name] ?? null) ? change.before : otherwise()
  }
  const values: NewState['values'] = { CONDA_PREFIX: restored('CONDA_PREFIX', () => original.prefix) }
  for (const key of variableNames(swap, snapshot)) {
    const current = env[key] ?? null
    values[key] = restored(key, () =>
      snapshot?.variables[key] ? (current?.replaceAll(staged.prefix, original.prefix) ?? null) : leftValue(swap, key),
    )
  }
  const pixi = promptOfPixi(env)
  if (pixi) return { values, ps1: swapPixiPart(swap.ps1, pixi.starred, pixi.plain), pixiPart: pixi.plain }
  const defaultEnv = restored('CONDA_DEFAULT_ENV', () => condaName(original.prefix, env))
  if (env.CONDA_DEFAULT_ENV !== undefined) values.CONDA_DEFAULT_ENV = defaultEnv
  const name = defaultEnv ?? original.prefix
  const old = env.CONDA_PROMPT_MODIFIER
  if (old === undefined) return { values, ps1: ps1OfOriginal(swap, snapshot, snapshot?.modifier.after, '') }
  const names = [`${basename(name)}*`, staged.prefix, staged.real, `${basename(staged.prefix)}*`]
  const modifier = restored('CONDA_PROMPT_MODIFIER', () => replaceName(old, names, name))
  values.CONDA_PROMPT_MODIFIER = modifier
  return { values, ps1: ps1OfOriginal(swap, snapshot, old, modifier ?? '') }
}

function ps1OfOriginal({ ps1 }: ShellState, snapshot: Snapshot | undefined, old: string | undefined, modifier: string) {
  if (ps1 !== undefined && ps1 === snapshot?.ps1?.after) return snapshot.ps1.before
  return ps1 && old ? replaceFirst(ps1, old, modifier) : ps1
}

/** The environments' own variables, by their names in the session. */
function variableNames({ env, original, staged }: Swap, snapshot: Snapshot | undefined): Set<string> {
  const ofConda = ['PATH', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'CONDA_PROMPT_MODIFIER']
  return new Set([
    ...Object.keys({ ...staged.variables, ...original.variables }).map((key) => exportedName(env, key)),
    ...Object.keys(snapshot?.variables ?? {}).filter((key) => !ofConda.includes(key)),
  ])
}

/** The value that conda would give to a variable when it leaves the stage for the original. */
function leftValue({ env, original }: Swap, name: string): string | null {
  const key = Object.keys(original.variables).find((key) => exportedName(env, key) === name)
  return key === undefined ? savedValue(env, name) : original.variables[key]!
}

/** On leaving an environment, conda restores the values that it saved of its variables, and empties the others. */
const savedValue = (env: Variables, name: string): string =>
  env[`__CONDA_SHLVL_${shellLevel(env) - 1}_${exportedName(env, name)}`] ?? ''

export const shellLevel = (env: Variables): number => Number.parseInt(env.CONDA_SHLVL ?? '', 10) || 0

/** CONDA_DEFAULT_ENV for a prefix. */
export function condaName(prefix: string, env: Variables): string {
  const root = env._CONDA_ROOT ?? (env.CONDA_EXE && dirname(dirname(env.CONDA_EXE)))
  if (prefix === root || prefix === env.MAMBA_ROOT_PREFIX) return 'base'
  return basename(dirname(prefix)) === 'envs' ? basename(prefix) : prefix
}
