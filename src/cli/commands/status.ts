import { status } from '../../pipeline/status.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { writeData, writeJson } from '../render/messages.ts'
import { configurationOf, configurationText, leftoversText, statusText } from '../render/status-text.ts'

/** Shows the state of everything, and changes nothing. */
export async function statusCommand(context: Context): Promise<undefined> {
  const { options, signal } = context
  const result = await status(stageOptions(context))
  // What could not be waited for would be missing without a word.
  signal.throwIfAborted()
  const configuration = configurationOf(options)
  if (options.json) writeJson({ ...result, ...configuration })
  else writeData([statusText(result, context), configurationText(configuration), leftoversText(result)].join('\n'))
}
