import { StageError } from '../errors.ts'
import { type DialectName, dialects } from './dialects.ts'
import { exportedName } from './exported-name.ts'
import type { PrefixFacts } from './facts.ts'
import { decoded } from './path-of.ts'
import { type Swap, shellLevel } from './state.ts'
import type { Step } from './steps.ts'

/**
 * `deactivate` and `activate` through the session's own function. If either fails, the session becomes what it was, without
 * conda's help, and `abandon` follows, which returns.
 */
export function throughConda(swap: Swap, leave: PrefixFacts, enter: PrefixFacts, abandon: Step[]): Step[] {
  const { env } = swap
  const level = shellLevel(env)
  const stack = env[`CONDA_STACKED_${level}`] ? ['--stack'] : []
  const active = env.CONDA_PREFIX || leave.prefix
  const otherwise = (restore: Step[]): Step[] => [...restore, ...abandon]
  // On leaving, conda empties the environment's variables. On entering, it saves the empty value as if it were the session's.
  const leftovers = Object.keys(enter.variables)
    .map((name) => `__CONDA_SHLVL_${level - 1}_${exportedName(env, name)}`)
    .filter((name) => env[name] === undefined)
  return [
    { op: 'conda', argv: ['deactivate'], prefix: { isNot: active }, otherwise: otherwise(stateOf(swap)) },
    {
      op: 'conda',
      argv: ['activate', ...stack, enter.prefix],
      prefix: { is: enter.prefix },
      otherwise: otherwise(asBefore(swap, leave)),
    },
    ...leftovers.map((name): Step => ({ op: 'unset', name })),
  ]
}

/** Its scripts ran on leaving it, so they run again. What they export is part of the state, which therefore comes last. */
function asBefore(swap: Swap, left: PrefixFacts): Step[] {
  const state = stateOf(swap)
  const scripts = left.activateScripts.map((script): Step => ({ op: 'source', script }))
  return [...(scripts.length === 0 ? [] : [...state, ...scripts]), ...state, { op: 'rehash' }]
}

/** Everything that conda changes in a session, as it is now. */
function stateOf({ env, ps1, original, staged }: Swap): Step[] {
  const level = shellLevel(env)
  const own = ['PATH', 'CONDA_PREFIX', 'CONDA_SHLVL', 'CONDA_DEFAULT_ENV', 'CONDA_PROMPT_MODIFIER']
  const stack = [level - 1, level].map((n) => `CONDA_PREFIX_${n}`).concat(`CONDA_STACKED_${level}`)
  const variables = Object.keys({ ...original.variables, ...staged.variables }).map((name) => exportedName(env, name))
  const saved = [level - 1, level].flatMap((n) => variables.map((name) => `__CONDA_SHLVL_${n}_${name}`))
  const steps = [...own, ...stack, ...variables, ...saved].flatMap((name): Step[] => {
    const value = decoded(env[name])
    if (value !== undefined) return [{ op: 'export', name, value }]
    return env[name] === undefined && name !== 'PATH' ? [{ op: 'unset', name }] : []
  })
  const prompt = decoded(ps1)
  return prompt === undefined ? steps : [...steps, { op: 'prompt', value: prompt }]
}

/**
 * conda quotes neither paths nor values: what it prints for such an environment is broken code, and may end the shell.
 * @throws StageError ACTIVATION_FAILED
 */
export function assertCondaCanActivate(
  { prefix, variables }: Pick<PrefixFacts, 'prefix'> & Partial<PrefixFacts>,
  dialect: DialectName,
): void {
  const { condaBreaksAt } = dialects[dialect]
  const values = Object.entries(variables ?? {}).find(([, value]) => condaBreaksAt.test(value ?? ''))
  if (/["$`\\]/.test(prefix) || condaBreaksAt.test(prefix))
    throw unable(`conda can't activate ${prefix}, because of a special character in the path`, prefix)
  if (values)
    throw unable(`conda can't activate ${prefix}, because of a special character in its variable ${values[0]}`, prefix)
}

const unable = (message: string, path: string): StageError =>
  new StageError('ACTIVATION_FAILED', message, {
    path,
    hint: "Leave out '--activator=conda': conda-stage's own activation can handle it.",
  })
