import { configureAutoUnstaging } from '../../auto-stage/auto-unstage.ts'
import { disableAutoStaging, enableAutoStaging } from '../../auto-stage/configure.ts'
import type { AutoStaging } from '../../auto-stage/script.ts'
import { StageError } from '../../errors.ts'
import { originalOf } from '../../pipeline/original.ts'
import type { Context } from '../command.ts'
import { writeJson } from '../render/messages.ts'

/** Makes conda stage an environment whenever it is activated, or stops that. In a staged copy this configures its original. */
export async function autoStageCommand({ options, session, messages }: Context): Promise<undefined> {
  const { onlyAutoUnstage } = options
  const { enable, ...staging } = options.autoStage ?? { enable: onlyAutoUnstage === true }
  const { allowBase } = options
  const prefix = options.prefix === undefined ? {} : { prefix: options.prefix }
  const where = { ...prefix, env: session.env, cwd: session.cwd }
  const { prefix: original, kind } = await originalOf({ ...where, allowBase: allowBase || !enable })
  if (kind === 'venv') throw noScripts(original)
  if (enable && kind === 'pixi') throw ofPixi(original)
  messages.info('Configuring automatic staging of original conda environment ...')
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

const ofPixi = (prefix: string): StageError =>
  new StageError(
    'ENVIRONMENT_UNWRITABLE',
    `${prefix} belongs to pixi, which makes it anew without what others put into it`,
    {
      path: prefix,
      hint: 'Name a script in pixi.toml under [activation]: docs/pixi.md shows one.',
    },
  )
