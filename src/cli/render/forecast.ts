import { counted, megabytes } from '../../model/amounts.ts'
import type { Forecast } from '../../pipeline/dry-run.ts'
import { rows } from './rows.ts'

export function forecastText({ original, archive, files, bytes, isLeast, copy, local, seconds }: Forecast): string {
  const least = isLeast ? 'at least ' : ''
  const after = isLeast ? " (by conda's records)" : ''
  return rows([
    ['original', original],
    ['archive', `${archive.path} (${archiveState(archive)})`],
    ['size', `${least}${counted(files, 'file')}, ${megabytes(bytes)}${after}`],
    ['copy', copy && `${copy} is there already`],
    ['local folder', local && `${local.path} (from ${local.source}; ${megabytes(local.available)} available)`],
    ['time', `about ${counted(Math.max(1, Math.ceil(seconds)), 'second')}`],
  ])
}

function archiveState({ state, reason, bytes = 0 }: Forecast['archive']): string {
  if (state === 'alone') return `staged by itself, ${megabytes(bytes)}`
  if (state === 'fresh') return `fresh, ${megabytes(bytes)}`
  return state === 'missing' ? 'missing: it would be written' : `out of date, it would be written again: ${reason}`
}
