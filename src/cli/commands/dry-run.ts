import { forecast } from '../../pipeline/dry-run.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { forecastText } from '../render/forecast.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Shows what --stage or --pack would do, and writes nothing. */
export async function dryRun(context: Context): Promise<undefined> {
  const { options, messages } = context
  const result = await forecast(stageOptions(context), { onlyPack: options.action === 'pack' })
  if (options.json) writeJson({ dryRun: true, ...result })
  else writeData(forecastText(result))
  messages.info('--dry-run: nothing was written')
}
