import { activePrefix } from '../model/active.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import type { PrefixFacts } from './facts.ts'
import { activate, deactivate, pathBelow, stateBelow, stateOnTop } from './on-top.ts'
import { swapPath } from './path.ts'
import { decoded, pathAfterConda, pathOfOriginal, pathOfStage } from './path-of.ts'
import { followingVariables } from './pixi.ts'
import {
  type NewState,
  type Snapshot,
  type Swap,
  shellLevel,
  stateOfOriginal,
  stateOfStage,
  type Variables,
} from './state.ts'
import type { FollowStep, PathStep, Step } from './steps.ts'
import { throughConda } from './through-conda.ts'
import { underVenv } from './under-venv.ts'
import { modifierBefore, pathOfVenvOriginal, pathOfVenvStage, stateOfVenvOriginal, stateOfVenvStage } from './venv.ts'

/**
 * own: the steps do everything that conda would do. conda: they call the session's own conda function, and then add the
 * `*` to the prompt. PATH may differ between the two: conda moves the environment before anything that the session put
 * in front of it; ours keeps the order.
 */
export type Activator = 'own' | 'conda'

interface Kind {
  /** Of the original. conda's and pixi's are activated alike, a virtual environment always by ourselves. Default: conda. */
  kind?: EnvironmentKind | undefined
}

interface Abandon {
  argv: string[]
  status: number
}

/**
 * Replaces the active original by the stage, in the same position of conda's stack. CONDA_SHLVL, CONDA_PREFIX_n and
 * CONDA_STACKED_n keep their values, so conda, mamba and micromamba carry on from there. Of a virtual environment all of conda's
 * variables stay.
 *
 * If a script of activate.d fails, the others still run. One that calls `exit` ends the session, as it does with conda.
 *
 * @param isOnTop the original is not active: the stage goes on top of `original`, which is, and CONDA_SHLVL rises, as with
 *   `conda activate`
 * @param abandon arguments for the launcher, which then reports that activation failed and removes the stage, and the status
 *   to return: if the session has a variable that can't be changed or, for activator 'conda', no function to call. The original
 *   is still active then, or again.
 */
export function planStage(plan: Swap & Kind & { activator?: Activator; abandon?: Abandon; isOnTop?: boolean }): {
  steps: Step[]
  snapshot: Snapshot
} {
  const swap = { ...plan, ps1: decoded(plan.ps1) }
  const { env, ps1, original, staged, isOnTop } = swap
  const isVenv = plan.kind === 'venv'
  const state = isVenv ? stateOfVenvStage(swap) : isOnTop ? stateOnTop(swap) : stateOfStage(swap)
  const following = isOnTop ? [] : followingVariables(env, spellingsOf(original), staged.prefix)
  const path = isVenv ? pathOfVenvStage(swap) : pathOfStage(swap)
  const after = { ...state.values, PATH: env.PATH === undefined ? null : swapPath(env.PATH, path) }
  const abandon = abandonSteps(plan)
  const steps =
    plan.activator === 'conda' && !isVenv
      ? stageThroughConda(state, isOnTop ? [activate(staged, abandon)] : throughConda(swap, original, staged, abandon))
      : [check(state, abandon, following), ...swapSteps(original, staged, path, state), ...following]
  return {
    steps: [...steps, { op: 'rehash' }, { op: 'return', status: 0 }],
    snapshot: {
      ...(isOnTop && { isOnTop }),
      variables: Object.fromEntries(
        Object.entries(after).map(([name, value]) => [name, { before: env[name] ?? null, after: value }]),
      ),
      ...(following.length > 0 && {
        following: Object.fromEntries(following.map(({ name, was, value }) => [name, { before: was, after: value }])),
      }),
      ...(ps1 !== undefined && { ps1: { before: ps1, after: state.ps1! } }),
      modifier: {
        before: isVenv ? modifierBefore(swap) : (env.CONDA_PROMPT_MODIFIER ?? ''),
        after: state.modifier,
      },
    },
  }
}

/**
 * Replaces the active stage by the original.
 *
 * @param snapshot from planStage(). Without it (somebody ran `conda activate STAGE`), the state becomes what conda would
 *   make it.
 * @param isOnTop the stage went on top of `original`
 * @param remove arguments for the launcher, which then removes the stage. This is the last step: by then, nothing in the
 *   session depends on the files any more. It does not run if an earlier step fails.
 */
export function planUnstage(
  plan: Swap & Kind & { snapshot?: Snapshot | undefined; activator?: Activator; remove?: string[]; isOnTop?: boolean },
): { steps: Step[] } {
  const swap = { ...plan, ps1: decoded(plan.ps1) }
  const { original, staged } = swap
  const remove: Step[] = plan.remove ? [{ op: 'run', argv: plan.remove }] : []
  const end: Step[] = [{ op: 'rehash' }, ...remove, { op: 'return', status: 0 }]
  if (plan.kind === 'venv') return { steps: [...leaveVenv(swap, plan), ...end] }
  if (plan.isOnTop) return { steps: [...stepsBelow(swap), ...end] }
  const state = stateOfOriginal(swap, plan.snapshot)
  const path = pathOfOriginal(swap, plan.snapshot?.variables.PATH)
  const following = followingBack(swap, plan.snapshot)
  const steps =
    plan.activator === 'conda'
      ? [
          ...throughConda(swap, staged, original, [{ op: 'return', status: 1 }]),
          ...stateSteps(state),
          ...pathAfterConda(swap, plan.snapshot?.variables.PATH),
          ...underVenv(swap, path, state),
        ]
      : [
          check(state, [{ op: 'return', status: 1 }], following),
          ...swapSteps(staged, original, path, state),
          ...underVenv(swap, path, state),
          ...following,
        ]
  return { steps: [...steps, ...end] }
}

function leaveVenv(swap: Swap, plan: { snapshot?: Snapshot | undefined; isOnTop?: boolean }): Step[] {
  const { snapshot, isOnTop = false } = plan
  const state = stateOfVenvOriginal(swap, { snapshot, isOnTop })
  const path = pathOfVenvOriginal(swap, { snapshot, isOnTop })
  return [check(state, [{ op: 'return', status: 1 }]), path, ...stateSteps(state)]
}

const spellingsOf = ({ prefix, real }: PrefixFacts): string[] => [...new Set([prefix, real])]

/** Variables that are still as staging left them become exactly what they were. */
const followingBack = ({ env, original, staged }: Swap, snapshot: Snapshot | undefined): FollowStep[] =>
  followingVariables(env, spellingsOf(staged), original.prefix).map((step) => {
    const known = snapshot?.following?.[step.name]
    return known?.after === step.was ? { ...step, value: known.before } : step
  })

/** Takes the stage off what it was put on. Without a snapshot, only conda knows what that was. */
function stepsBelow(swap: Swap & { snapshot?: Snapshot | undefined; activator?: Activator }): Step[] {
  const { snapshot, original, staged } = swap
  if (snapshot === undefined || swap.activator === 'conda') return [deactivate(staged)]
  const state = stateBelow(swap, snapshot)
  const path = pathBelow(swap, snapshot.variables.PATH)
  return [
    check(state, [{ op: 'return', status: 1 }]),
    ...swapSteps(staged, original, path, state),
    ...underVenv(swap, path, state),
  ]
}

/** In a session that has the stage already: the stage comes first in PATH again, should PATH have been reset since. */
export const planAgain = ({ kind, ...swap }: Swap & Kind): Step[] => [
  kind === 'venv' ? pathOfVenvStage(swap) : pathOfStage(swap),
  { op: 'rehash' },
  { op: 'return', status: 0 },
]

/**
 * Where the session has a stage: active, also if a virtual environment was activated on top of it, or beneath another environment
 * that has to be left before it.
 */
export function findStaged(
  env: Variables,
  isStaged: (prefix: string) => boolean,
): { where: 'active' | 'beneath'; prefix: string } | { where: 'none' } {
  for (const active of [activePrefix(env), env.CONDA_PREFIX])
    if (active && isStaged(active)) return { where: 'active', prefix: active }
  if (env.VIRTUAL_ENV && isStaged(env.VIRTUAL_ENV)) return { where: 'beneath', prefix: env.VIRTUAL_ENV }
  for (let level = shellLevel(env) - 1; level > 0; level--) {
    const prefix = env[`CONDA_PREFIX_${level}`]
    if (prefix && isStaged(prefix)) return { where: 'beneath', prefix }
  }
  return { where: 'none' }
}

/** In conda's order: scripts of the environment that is left, the state, scripts of the one that is entered. */
function swapSteps(leave: PrefixFacts, enter: PrefixFacts, path: PathStep, state: NewState): Step[] {
  return [
    ...leave.deactivateScripts.map((script): Step => ({ op: 'source', script })),
    path,
    ...stateSteps(state),
    ...enter.activateScripts.map((script): Step => ({ op: 'source', script })),
  ]
}

function stateSteps({ values, ps1, label, pixiPart }: NewState): Step[] {
  const variables = Object.entries(values).map(
    ([name, value]): Step => (value === null ? { op: 'unset', name } : { op: 'export', name, value }),
  )
  return [
    ...variables,
    ...(ps1 === undefined ? [] : [{ op: 'prompt', value: ps1 } as const]),
    ...(label === undefined ? [] : [{ op: 'label', from: label[0], to: label[1] } as const]),
    ...(pixiPart === undefined ? [] : [{ op: 'pixiPrompt', part: pixiPart } as const]),
  ]
}

/** Before anything is changed. */
const check = ({ values, ps1 }: NewState, otherwise: Step[], following: readonly FollowStep[] = []): Step => ({
  op: 'check',
  names: [
    ...new Set([
      'PATH',
      ...Object.keys(values),
      ...following.map(({ name }) => name),
      ...(ps1 === undefined ? [] : ['PS1']),
    ]),
  ],
  otherwise,
})

const abandonSteps = ({ abandon: { argv, status = 1 } = {} }: { abandon?: Partial<Abandon> | undefined }): Step[] => [
  ...(argv ? [{ op: 'run' as const, argv }] : []),
  { op: 'return', status },
]

function stageThroughConda({ values, ps1 }: NewState, conda: Step[]): Step[] {
  const modifier = values.CONDA_PROMPT_MODIFIER
  return [...conda, ...stateSteps({ values: modifier === undefined ? {} : { CONDA_PROMPT_MODIFIER: modifier }, ps1 })]
}
