import { resolve } from 'node:path'
import type { DialectName } from '../../../activate/dialects.ts'
import { planEnter } from '../../../activate/enter.ts'
import { factsFor } from '../../../activate/facts-for.ts'
import type { Step } from '../../../activate/steps.ts'
import { planEnterVenv } from '../../../activate/venv.ts'
import { kindAt } from '../../../environment/find.ts'
import { pixiName } from '../../../environment/pixi.ts'
import { isInPlace } from '../../../mount/in-place.ts'
import { realpath } from '../../../platform/remote-fs.ts'
import { findStage } from '../../../stage/record.ts'
import type { Command, Context } from '../../command.ts'
import { noShellFunction } from '../stage.ts'

/** Called by the shell that --shell has opened, behind the user's own startup files, which may have activated anything. */
export const enterCommand: Command = async (context) => {
  const { options, session } = context
  const { shell, cwd } = session
  if (!shell) throw noShellFunction()
  const prefix = resolve(cwd, options.prefix ?? '')
  const isCopy = isInPlace(await realpath(prefix)) || (await findStage(prefix)) !== undefined
  return await stepsInto({ prefix, isCopy, dialect: shell.dialect, ps1: shell.ps1 }, context)
}

/** What a shell has to do to be in this environment, whatever is active. */
export async function stepsInto(
  { prefix, isCopy, dialect, ps1 }: { prefix: string; isCopy: boolean; dialect: DialectName; ps1?: string | undefined },
  { session: { env }, messages }: Pick<Context, 'session' | 'messages'>,
): Promise<Step[]> {
  const kind = await kindAt(prefix)
  const facts = factsFor(kind, { dialect, env })
  const other = kind === 'venv' ? env.VIRTUAL_ENV : env.CONDA_PREFIX
  const [entered, active] = await Promise.all([facts(prefix), other ? facts(other) : undefined])
  for (const { message, hint } of entered.unreadable) messages.warning(message, hint)
  for (const message of entered.notTaken) messages.warning(message)
  const entering = { env, ps1, entered, active, isCopy }
  return kind === 'venv' ? planEnterVenv(entering) : planEnter({ ...entering, name: await pixiName(entered, env) })
}
