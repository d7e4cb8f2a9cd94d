import { configureAutoUnstaging } from '../../auto-stage/auto-unstage.ts'
import { disableAutoStaging, enableAutoStaging } from '../../auto-stage/configure.ts'
import type { AutoStaging } from '../../auto-stage/script.ts'
import { kindAt } from '../../environment/find.ts'
import { StageError } from '../../errors.ts'
import { originalOf } from '../../pipeline/original.ts'
import type { Context } from '../command.ts'
import { writeJson } from '../render/messages.ts'

/** Makes conda stage an environment whenever it is activated, or stops that. In a staged copy this configures its original. */
export async function autoStageCommand({ options, session, messages }: Context): Promise<undefined> {
  const { onlyAutoUnstage } = options
  const { enable, ...staging } = options.autoStage ?? { enable: onlyAutoUnstage === true }
  messages.info('Configuring automatic staging of original conda environment ...')
  const { allowBase } = options
  const prefix = options.prefix === undefined ? {} : { prefix: options.prefix }
  const original = await originalOf({ ...prefix, allowBase: allowBase || !enable, env: session.env, cwd: session.cwd })
  if ((await kindAt(original)) === 'venv') throw noScripts(original)
  if (onlyAutoUnstage !== undefined) {
    await configureAutoUnstaging(original, onlyAutoUnstage, session.launcher)
    messages.info(`${enable ? 'Enabled' : 'Disabled'} auto unstaging`)
    if (options.json) writeJson({ prefix: original, unstage: onlyAutoUnstage })
    return
  }
  if (enable) enableAutoStaging(original, staging as AutoStaging, session.launcher)
  else disableAutoStaging(original)
  messages.info(`${enable ? 'Enabled' : 'Disabled'} auto staging`)
  if (options.json) writeJson({ prefix: original, enabled: enable, ...(enable && staging) })
}

/** conda runs scripts of the environment when it activates it. `bin/activate` runs none, and we write to no file of the original. */
const noScripts = (prefix: string): StageError =>
  new StageError('USAGE', `${prefix} is a virtual environment, which can't be staged automatically`, {
    path: prefix,
    hint: `Activate and stage it in one line: . '${prefix}/bin/activate' && conda-stage`,
  })
