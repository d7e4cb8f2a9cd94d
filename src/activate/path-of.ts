import type { PrefixFacts } from './facts.ts'
import { isWithin } from './path.ts'
import type { Change, Swap, Variables } from './state.ts'
import type { PathStep, Step } from './steps.ts'

/** The stage takes the original's position in PATH. If PATH does not name the original, the stage goes in front. */
export function pathOfStage({ env, original, staged }: Swap): PathStep {
  return {
    ...pathStep(env, original, staged.prefix),
    entries: spelled(original, staged.prefix),
    first: `${staged.prefix}/bin`,
  }
}

/**
 * The PATH from before staging. If the session has changed it since then, its change stays: the original gets back the
 * entries that it had, in the spellings that they had. Without `change`, nothing is known about PATH before staging.
 */
export function pathOfOriginal(swap: Swap, change: Change<string | null> | undefined): PathStep {
  const { env, original, staged } = swap
  const step = pathStep(env, staged, original.prefix)
  const others = spelled(staged, original.prefix)
  if (change === undefined) return { ...step, entries: others, first: `${original.prefix}/bin` }
  const { isNew, replaced } = compare(swap, change)
  const bin = `${staged.prefix}/bin`
  const [before, after] = [decoded(change.before), decoded(change.after)]
  return {
    ...step,
    entries: [...(isNew ? [[bin, null] as [string, null]] : []), ...replaced, ...others],
    ...(!isNew && { first: replaced.find(([entry]) => entry === bin)?.[1] ?? `${original.prefix}/bin` }),
    ...(before !== undefined && after !== undefined && { exact: { when: after, becomes: before } }),
  }
}

/**
 * What remains to be done for PATH after conda has left the stage and activated the original, which it puts in front. It may
 * have added its condabin when it activated the stage.
 */
export function pathAfterConda(swap: Swap, change: Change<string | null> | undefined): Step[] {
  if (change === undefined) return []
  const { env, original, staged } = swap
  const { isNew, replaced } = compare(swap, change)
  const before = decoded(change.before)?.split(':')
  const stayed = before?.filter((entry) => !replaced.some(([, old]) => old === entry))
  const now = env.PATH?.split(':').filter(
    (entry) => !isWithin(entry, staged.prefix) && (!entry.endsWith('/condabin') || stayed?.includes(entry)),
  )
  if (before && stayed?.join(':') === now?.join(':')) return [{ op: 'export', name: 'PATH', value: before.join(':') }]
  return isNew ? [{ op: 'path', entries: [[`${original.prefix}/bin`, null]], from: [], keep: [], to: '' }] : []
}

/** What staging did to PATH: whether the stage's entry is new there, and the entries that were replaced, each with the old one. */
function compare({ staged }: Swap, change: Change<string | null>): { isNew: boolean; replaced: [string, string][] } {
  const [before, after] = [decoded(change.before)?.split(':'), decoded(change.after)?.split(':')]
  if (!before || !after) return { isNew: change.before === null, replaced: [] }
  const isNew = after.length > before.length && after[0] === `${staged.prefix}/bin`
  const replaced = (isNew ? after.slice(1) : after).map((entry, at): [string, string] => [entry, before[at] ?? entry])
  return { isNew, replaced: replaced.filter(([entry, old]) => entry !== old) }
}

const spelled = ({ otherSpellings }: PrefixFacts, to: string): [string, string][] =>
  Object.entries(otherSpellings).map(([entry, below]) => [entry, to + below])

/** `envs` and `condabin` of a base prefix are not part of the environment: they are not staged, and conda leaves them alone. */
function pathStep(env: Variables, leave: PrefixFacts, to: string): PathStep {
  const active = (env.CONDA_PREFIX ?? '').replace(/\/+$/, '')
  const from = [...new Set([leave.prefix, leave.real, active])].filter((prefix) => prefix.startsWith('/'))
  const keep = [...new Set(from.flatMap((prefix) => [`${prefix}/envs`, `${prefix}/condabin`]))]
  const seen = decoded(env.PATH)
  return { op: 'path', from, keep, to, ...(seen !== undefined && { seen }) }
}

/** `undefined` if the session's value isn't UTF-8: writing it back would change it. */
export const decoded = (text: string | null | undefined): string | undefined =>
  text == null || text.includes('\uFFFD') ? undefined : text
