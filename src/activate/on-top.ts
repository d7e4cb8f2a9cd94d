import { exportedName } from './exported-name.ts'
import type { PrefixFacts } from './facts.ts'
import { isWithin } from './path.ts'
import { decoded, pathOfOriginal } from './path-of.ts'
import { replaceFirst, swapModifier } from './prompt.ts'
import { condaName, type NewState, type Snapshot, type Swap, shellLevel } from './state.ts'
import type { PathStep, Step } from './steps.ts'

/**
 * A stage whose original is not active goes on top of whatever is, as with `conda activate STAGE`. In a Swap, `original` is then
 * the environment that was active before, or NOTHING.
 */
export const NOTHING: PrefixFacts = {
  prefix: '',
  real: '',
  variables: {},
  unreadable: [],
  notTaken: [],
  otherSpellings: {},
  activateScripts: [],
  deactivateScripts: [],
}

/** The state in which `conda activate STAGE` leaves the session, plus the `*` in the prompt. */
export function stateOnTop({ env, ps1, original, staged }: Swap): NewState & { modifier: string } {
  const isFirst = original === NOTHING
  // conda counts from 1. Without it, an active environment has no number.
  const level = isFirst ? 0 : Math.max(shellLevel(env), 1)
  // An empty modifier of an active environment means `changeps1: false`.
  const old = isFirst ? env.CONDA_PROMPT_MODIFIER || undefined : env.CONDA_PROMPT_MODIFIER
  const modifier = old === '' ? '' : `(${staged.prefix.slice(staged.prefix.lastIndexOf('/') + 1)}*) `
  const values: NewState['values'] = {
    CONDA_PREFIX: staged.prefix,
    CONDA_SHLVL: `${level + 1}`,
    CONDA_DEFAULT_ENV: condaName(staged.prefix, env),
    CONDA_PROMPT_MODIFIER: modifier,
  }
  if (!isFirst) values[`CONDA_PREFIX_${level}`] = env.CONDA_PREFIX!
  for (const [key, value] of Object.entries(staged.variables)) {
    const name = exportedName(env, key)
    // conda gives these back when it leaves the stage.
    if (env[name] !== undefined && env[name] !== value) values[`__CONDA_SHLVL_${level}_${name}`] = env[name]
    values[name] = value
  }
  return { values, ps1: swapModifier(ps1, old, modifier), modifier }
}

/** What conda itself keeps of the environments in a session. */
const OF_CONDA = /^(?:CONDA_(?:PREFIX(?:_\d+)?|SHLVL|DEFAULT_ENV|PROMPT_MODIFIER)|__CONDA_SHLVL_.*)$/

/** The state from before. What the session has set otherwise since then stays, unless it leads into the stage. */
export function stateBelow({ env, ps1, staged }: Swap, { variables, ps1: prompt, modifier }: Snapshot): NewState {
  const values: NewState['values'] = {}
  for (const [name, { before, after }] of Object.entries(variables)) {
    const now = env[name] ?? null
    const isChanged = now !== after && !now?.includes(staged.prefix)
    if (name !== 'PATH' && !(isChanged && !OF_CONDA.test(name))) values[name] = before
  }
  const old = env.CONDA_PROMPT_MODIFIER
  const same = prompt && ps1 === prompt.after
  const replaced = ps1 && old ? replaceFirst(ps1, old, modifier.before) : ps1
  return { values, ps1: same ? prompt.before : replaced }
}

/** PATH from before; if the session has changed it since then, without the stage. */
export function pathBelow(swap: Swap, change: Snapshot['variables'][string] | undefined): PathStep {
  const { env, original, staged } = swap
  const step = pathOfOriginal(swap, change)
  if (original !== NOTHING) return step
  const seen = decoded(env.PATH)?.split(':') ?? []
  const entries = [`${staged.prefix}/bin`, ...seen.filter((entry) => isWithin(entry, staged.prefix))]
  const { first: _, ...others } = step
  return { ...others, from: [], entries: entries.map((entry): [string, null] => [entry, null]) }
}

/** Through the session's own function: it knows what is below. */
export const deactivate = (staged: PrefixFacts): Step => ({
  op: 'conda',
  argv: ['deactivate'],
  prefix: { isNot: staged.prefix },
  otherwise: [{ op: 'return', status: 1 }],
})

export const activate = (staged: PrefixFacts, otherwise: Step[]): Step => ({
  op: 'conda',
  argv: ['activate', staged.prefix],
  prefix: { is: staged.prefix },
  otherwise,
})
