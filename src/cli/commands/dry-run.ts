import { forecast } from '../../pipeline/dry-run.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { forecastText } from '../render/forecast.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Shows what --stage or --pack would do, and writes nothing. */
export async function dryRun(context: Context): Promise<undefined> {
  const { options, messages } = context
  const result = await forecast(stageOptions(context), { onlyPack: options.action === 'pack' })
  const isInSession = options.action === 'stage' && options.prefix === undefined
  const conda = options.withConda && isInSession ? await forConda(result.original, context) : undefined
  if (options.json) writeJson({ dryRun: true, ...result, ...(conda && { conda }) })
  else writeData([result, ...(conda ? [conda] : [])].map(forecastText).join('\n'))
  messages.info('--dry-run: nothing was written')
}

const forConda = async (original: string, context: Context) =>
  (await import('./with-conda.ts')).forecastConda(original, context)
