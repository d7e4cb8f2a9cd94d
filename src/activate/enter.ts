import { basename } from 'node:path'
import { exportedName } from './exported-name.ts'
import type { PrefixFacts } from './facts.ts'
import { pathOfStage } from './path-of.ts'
import { type PixiPrompt, promptOfPixi, swapPixiPart } from './pixi.ts'
import { replaceName, swapModifier } from './prompt.ts'
import { condaName, STAGED, shellLevel, type Variables } from './state.ts'
import type { Step } from './steps.ts'

export interface Entering {
  env: Variables
  ps1?: string | undefined
  /** The environment to activate. */
  entered: PrefixFacts
  /** What it is called. Default: as conda calls it. */
  name?: string | undefined
  /** The one that is active: perhaps that very one. */
  active: PrefixFacts | undefined
  /** The prompt says that it is a copy. */
  isCopy: boolean
}

/**
 * Activates an environment as conda would: in place of the one that is active, or as the first one. If it is active already, only
 * the prompt changes.
 */
export function planEnter(entering: Entering): Step[] {
  const { env, ps1, entered, active, isCopy } = entering
  const { prefix } = entered
  const end: Step = { op: 'return', status: 0 }
  const isActive = active?.real === entered.real
  if (isActive && !isCopy) return [end]
  const pixi = isActive ? promptOfPixi(env) : undefined
  if (pixi) return [STAGED_STEP, ...promptStep(shownIn(ps1, pixi)), { op: 'pixiPrompt', part: pixi.starred }, end]
  const { name = condaName(prefix, env) } = entering
  const star = isCopy ? '*' : ''
  const old = env.CONDA_PROMPT_MODIFIER
  const names = active ? [env.CONDA_DEFAULT_ENV ?? '', active.prefix, active.real, basename(active.prefix)] : []
  const label = `${basename(name)}${star}`
  // An empty modifier means `changeps1: false`.
  const modifier = old === undefined || active === undefined ? `(${label}) ` : replaceName(old, names, label)
  // A shell that was just opened may have inherited the modifier, but not the prompt that it is in.
  const isShown = active !== undefined && old !== undefined && ps1?.includes(old) === true
  const prompt: Step[] = [
    ...(isCopy ? [STAGED_STEP] : []),
    { op: 'export', name: 'CONDA_PROMPT_MODIFIER', value: modifier },
    ...promptStep(swapModifier(ps1, isShown ? old : undefined, modifier)),
  ]
  if (isActive) return [...prompt, end]
  return [
    ...(active?.deactivateScripts ?? []).map((script): Step => ({ op: 'source', script })),
    active ? pathOfStage({ env, original: active, staged: entered }) : inFront(`${prefix}/bin`),
    ...Object.keys(active?.variables ?? {}).map((each): Step => ({ op: 'unset', name: exportedName(env, each) })),
    { op: 'export', name: 'CONDA_PREFIX', value: prefix },
    { op: 'export', name: 'CONDA_SHLVL', value: `${Math.max(shellLevel(env), 1)}` },
    { op: 'export', name: 'CONDA_DEFAULT_ENV', value: name },
    ...prompt,
    ...Object.entries(entered.variables).map(
      ([each, value]): Step =>
        value === null
          ? { op: 'unset', name: exportedName(env, each) }
          : { op: 'export', name: exportedName(env, each), value },
    ),
    ...entered.activateScripts.map((script): Step => ({ op: 'source', script })),
    { op: 'rehash' },
    end,
  ]
}

const STAGED_STEP: Step = { op: 'export', name: STAGED, value: 'true' }

/** A shell that was just opened has a prompt of its own. */
const shownIn = (ps1: string | undefined, { plain, starred }: PixiPrompt): string | undefined =>
  ps1 === undefined || ps1.includes(plain) ? swapPixiPart(ps1, plain, starred) : starred + ps1

const promptStep = (ps1: string | undefined): Step[] => (ps1 === undefined ? [] : [{ op: 'prompt', value: ps1 }])

const inFront = (folder: string): Step => ({
  op: 'path',
  entries: [[folder, null]],
  from: [],
  keep: [],
  to: '',
  first: folder,
})
