import { resolve } from 'node:path'
import { isInPlace } from '../../../mount/in-place.ts'
import { stepsInto } from '../../../pipeline/words-into.ts'
import { realpath } from '../../../platform/remote-fs.ts'
import { findStage } from '../../../stage/record.ts'
import type { Command } from '../../command.ts'
import { noShellFunction } from '../stage.ts'

/** Called by the shell that --shell has opened, behind the user's own startup files, which may have activated anything. */
export const enterCommand: Command = async (context) => {
  const { options, session, messages } = context
  const { shell, cwd } = session
  if (!shell) throw noShellFunction()
  const prefix = resolve(cwd, options.prefix ?? '')
  const isCopy = isInPlace(await realpath(prefix)) || (await findStage(prefix)) !== undefined
  return await stepsInto({ prefix, isCopy }, shell.dialect, {
    env: session.env,
    ps1: shell.ps1,
    warn: messages.warning,
  })
}
