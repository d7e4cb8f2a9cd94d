import type { NewState, Swap } from './state.ts'
import type { PathStep, Step } from './steps.ts'
import { modifierBefore } from './venv.ts'

/** For a session that is no longer to have a copy beneath a virtual environment; none if no such environment is active. */
export function underVenv(
  { env, ps1, original }: Pick<Swap, 'env' | 'ps1' | 'original'>,
  { first: _, ...path }: PathStep,
  state?: Pick<NewState, 'ps1'>,
): Step[] {
  if (!env.VIRTUAL_ENV) return []
  const part = modifierBefore({ env, original: { ...original, prefix: env.VIRTUAL_ENV } })
  const isShown = state?.ps1?.startsWith(part) && ps1?.startsWith(part)
  return [
    {
      op: 'underVenv',
      path,
      ...(isShown && { prompt: { was: ps1!.slice(part.length), becomes: state!.ps1!.slice(part.length) } }),
    },
  ]
}
