import { basename } from 'node:path'
import { otherSpellings, type PrefixFacts, realPath } from './facts.ts'
import { NOTHING, pathBelow } from './on-top.ts'
import { isWithin } from './path.ts'
import { pathOfOriginal, pathOfStage } from './path-of.ts'
import { replaceFirst } from './prompt.ts'
import { type NewState, type Snapshot, STAGED, type Swap, type Variables } from './state.ts'
import type { PathStep, Step } from './steps.ts'

/*
 * Virtual environments. Their `bin/activate` (of venv, virtualenv and uv: CPython 3.11, virtualenv 21 and uv 0.13 were
 * compared) sets VIRTUAL_ENV, VIRTUAL_ENV_PROMPT, PATH and the prompt, unsets PYTHONHOME, and defines `deactivate`, which gives back
 * what it has saved in the shell. So a stage exchanges what was set and leaves alone what was saved: `deactivate` ends in the state
 * from before activation, with or without a stage. Nothing else marks a stage (not even CONDA_STAGE_STAGED), since nothing of ours
 * runs when the session calls `deactivate`.
 */

/** What activation needs to know about a virtual environment: it has no scripts and no variables of its own. */
export async function readVenvFacts(prefix: string, env: Variables): Promise<PrefixFacts> {
  const real = await realPath(prefix)
  return { ...NOTHING, prefix, real, otherSpellings: await otherSpellings(prefix, real, env.PATH ?? '') }
}

/** Variables that the scripts of virtualenv (PKG_CONFIG_PATH), and all in fish, set to paths of the environment. */
const PATHS = ['PKG_CONFIG_PATH', '_OLD_FISH_PROMPT_OVERRIDE']

/**
 * The session with the stage in the original's place; if `original` is NOTHING, as `. STAGE/bin/activate` leaves it. In both cases
 * the prompt has a `*`.
 */
export function stateOfVenvStage({ env, ps1, original, staged }: Swap): NewState & { modifier: string } {
  const isOnTop = original === NOTHING
  const prompt = isOnTop ? undefined : env.VIRTUAL_ENV_PROMPT
  const name = nameIn(prompt) ?? basename(isOnTop ? staged.prefix : original.prefix)
  const modifier = `(${name}*) `
  const values: NewState['values'] = { VIRTUAL_ENV: staged.prefix }
  if (isOnTop) {
    values.VIRTUAL_ENV_PROMPT = `${name}*`
    if (env.PYTHONHOME !== undefined) values.PYTHONHOME = null
    const isShown = ps1 !== undefined && !env.VIRTUAL_ENV_DISABLE_PROMPT
    return { values, ps1: isShown ? modifier + ps1 : ps1, modifier }
  }
  if (prompt !== undefined) values.VIRTUAL_ENV_PROMPT = replaceFirst(prompt, name, `${name}*`)
  for (const each of PATHS) {
    const moved = env[each]?.split(':').map((entry) => movedEntry(entry, original, staged.prefix))
    if (moved && moved.join(':') !== env[each]) values[each] = moved.join(':')
  }
  return { values, ps1: ps1 && replaceFirst(ps1, modifierOf(name), modifier), modifier, label: [name, `${name}*`] }
}

/** The state from before. What the session has set otherwise since then stays, without paths of the stage. */
export function stateOfVenvOriginal(
  { env, ps1, original, staged }: Swap,
  { snapshot, isOnTop }: { snapshot: Snapshot | undefined; isOnTop: boolean },
): NewState {
  const values: NewState['values'] = {}
  for (const [name, { before, after }] of Object.entries(snapshot?.variables ?? {})) {
    const now = env[name] ?? null
    if (name === 'PATH') continue
    if (now === after) values[name] = before
    else if (now?.includes(staged.prefix))
      values[name] = isOnTop ? before : now.replaceAll(staged.prefix, original.prefix)
  }
  // Somebody has run `. STAGE/bin/activate`.
  if (snapshot === undefined) values.VIRTUAL_ENV = original.prefix
  const { before = '', after = '' } = snapshot?.modifier ?? {}
  const isSame = snapshot?.ps1 && ps1 === snapshot.ps1.after
  const state = { values, ps1: isSame ? snapshot.ps1!.before : ps1 && after ? replaceFirst(ps1, after, before) : ps1 }
  const [starred, plain] = [nameIn(after), nameIn(before)]
  return starred && plain ? { ...state, label: [starred, plain] } : state
}

export const pathOfVenvStage = (swap: Swap): PathStep => pathOfStage(asActive(swap))

export function pathOfVenvOriginal(
  swap: Swap,
  { snapshot, isOnTop }: { snapshot: Snapshot | undefined; isOnTop: boolean },
): PathStep {
  return (isOnTop ? pathBelow : pathOfOriginal)(asActive(swap), snapshot?.variables.PATH)
}

/** The prompt's part before a stage. None if the stage went on top of what was there. */
export const modifierBefore = ({ env, original }: Pick<Swap, 'env' | 'original'>): string =>
  original === NOTHING ? '' : modifierOf(nameIn(env.VIRTUAL_ENV_PROMPT) ?? basename(original.prefix))

/**
 * Enters an environment in a shell or for a command, as its `bin/activate` would: in place of a virtual environment that is active,
 * or on top of what is. If it is active already, only the prompt changes.
 */
export function planEnterVenv({
  env,
  ps1,
  entered,
  active,
  isCopy,
}: {
  env: Variables
  ps1?: string | undefined
  entered: PrefixFacts
  /** The virtual environment that is active. */
  active: PrefixFacts | undefined
  isCopy: boolean
}): Step[] {
  const isActive = active !== undefined && active.real === entered.real
  const name = (isActive && nameIn(env.VIRTUAL_ENV_PROMPT)) || basename(entered.prefix)
  const label = isCopy ? `${name}*` : name
  const isShown = isActive && ps1?.includes(modifierOf(name))
  const shown = isShown ? replaceFirst(ps1!, modifierOf(name), modifierOf(label)) : `${modifierOf(label)}${ps1}`
  const prompt: Step[] = [
    ...(isCopy ? [{ op: 'export', name: STAGED, value: 'true' } as const] : []),
    { op: 'export', name: 'VIRTUAL_ENV_PROMPT', value: label },
    ...(ps1 === undefined || env.VIRTUAL_ENV_DISABLE_PROMPT ? [] : [{ op: 'prompt', value: shown } as const]),
  ]
  if (isActive) return [...(isCopy ? prompt : []), { op: 'return', status: 0 }]
  const swap = { env, original: active ?? NOTHING, staged: entered }
  return [
    pathOfVenvStage(swap),
    { op: 'export', name: 'VIRTUAL_ENV', value: entered.prefix },
    ...(env.PYTHONHOME === undefined ? [] : [{ op: 'unset', name: 'PYTHONHOME' } as const]),
    ...prompt,
    { op: 'rehash' },
    { op: 'return', status: 0 },
  ]
}

/** venv up to Python 3.11 exports `(NAME) `, all others export `NAME`. */
const nameIn = (prompt: string | undefined): string | undefined =>
  prompt && (/^\((.+)\) $/s.exec(prompt)?.[1] ?? prompt)

const modifierOf = (name: string): string => `(${name}) `

function movedEntry(entry: string, { prefix, real }: PrefixFacts, to: string): string {
  const from = [prefix, real].find((each) => isWithin(entry, each))
  return from === undefined ? entry : to + entry.slice(from.length)
}

/** For what goes by the active environment of conda. */
const asActive = <S extends Swap>(swap: S): S => ({
  ...swap,
  env: { ...swap.env, CONDA_PREFIX: swap.original === NOTHING ? undefined : swap.env.VIRTUAL_ENV },
})
