import { status } from '../../pipeline/status.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { writeData } from '../render/messages.ts'
import { configurationOf, configurationText, statusText } from '../render/status-text.ts'

export async function statusCommand(context: Context): Promise<undefined> {
  const { options, session } = context
  const result = await status(stageOptions(context))
  const configuration = configurationOf(options)
  writeData(
    options.json
      ? `${JSON.stringify({ ...result, ...configuration })}\n`
      : `${statusText(result, session)}\n${configurationText(configuration)}`,
  )
}
