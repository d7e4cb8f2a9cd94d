import { forecast } from '../../pipeline/dry-run.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { forecastText } from '../render/forecast.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Shows what --stage or --pack would do, and writes nothing. */
export async function dryRun(context: Context): Promise<undefined> {
  const { options, messages } = context
  const isStaged = options.action === 'stage'
  const base = options.withBase && isStaged && options.archive === undefined ? await forBase(context) : undefined
  const result = await forecast({ ...stageOptions(context), ...base?.main }, { onlyPack: !isStaged })
  const found =
    options.withConda && isStaged && options.prefix === undefined ? await forConda(result.original, context) : undefined
  const conda = found?.original === base?.forecast.original ? undefined : found
  if (options.json)
    writeJson({ dryRun: true, ...result, ...(base && { base: base.forecast }), ...(conda && { conda }) })
  else writeData([result, base?.forecast, conda].flatMap((each) => (each ? [forecastText(each)] : [])).join('\n'))
  messages.info('--dry-run: nothing was written')
}

const forBase = async (context: Context) => (await import('./with-base.ts')).forecastBase(context)

const forConda = async (original: string, context: Context) =>
  (await import('./with-conda.ts')).forecastConda(original, context)
