import { megabytes } from '../../model/amounts.ts'
import { pack } from '../../pipeline.ts'
import type { Context } from '../command.ts'
import { packOptions } from '../library-options.ts'
import { writeJson } from '../render/messages.ts'
import { dryRun } from './dry-run.ts'

export async function packCommand(context: Context): Promise<undefined> {
  const { options, messages } = context
  if (options.dryRun) return await dryRun(context)
  const result = await pack({ ...packOptions(context), ...(options.bzip2 && { format: 'tar.bz2' as const }) })
  if (result.fresh) messages.info(`The archive is up to date: ${result.archive} (--force packs again)`)
  else messages.info(`Packed ${result.prefix} into ${result.archive} (${megabytes(result.bytes)})`)
  if (options.json) writeJson(result)
}
