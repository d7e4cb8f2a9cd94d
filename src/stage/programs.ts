import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { processesCallingConda, processesUsing } from '../platform/users-of.ts'
import { CONDARC } from './base-files.ts'
import type { Stage } from './record.ts'

/** Processes that need a stage, whether or not they hold a lease of it, except our own. */
export async function programsOf({ folder, record: { prefix } }: Stage): Promise<number[]> {
  const real = await realpath(folder)
  const using = processesUsing(real)
  // Only the copy of a base has conda to be called.
  if (!existsSync(`${prefix}/${CONDARC}`)) return using
  return [...new Set([...using, ...processesCallingConda([folder, real])])]
}
