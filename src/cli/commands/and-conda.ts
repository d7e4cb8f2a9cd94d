import type { Snapshot, Variables } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import type { StageResult } from '../../pipeline/options.ts'
import type { Context } from '../command.ts'
import { giveUp } from './leave-nodes.ts'

// What stages conda is loaded only if that is wanted: a second shell that joins a copy must not pay for it.

/** The environment stays as it is; its conda may gain from a copy. */
export const condaAlone = (context: Context): Promise<Step[]> =>
  andConda([{ op: 'return', status: 0 }], { env: context.session.env }, context)

/** The steps that make the session call conda from a copy, too, in front of the last one. */
export async function andConda(
  steps: Step[],
  state: { env: Variables; main?: StageResult },
  context: Context,
): Promise<Step[]> {
  const { options, session, ifUndelivered } = context
  if (!options.withConda || options.nodes !== undefined || !session.shell) return steps
  const conda = await (await import('./with-conda.ts')).withConda(context, session.shell, state)
  ifUndelivered(async () => {
    await conda.undo()
    if (state.main) await giveUp(state.main, context)
  })
  return [...steps.slice(0, -1), ...conda.steps, ...steps.slice(-1)]
}

/** The session's variables when the copy is active, as far as they are known before its scripts have run. */
export const envAfter = (env: Variables, { variables }: Snapshot): Variables => ({
  ...env,
  ...Object.fromEntries(Object.entries(variables).map(([name, { after }]) => [name, after ?? undefined])),
})
