import { existsSync } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { processesCallingConda, processesRunning, processesUsing } from '../platform/users-of.ts'
import { CONDARC } from './base-files.ts'
import type { Stage } from './record.ts'

/** Processes that need a stage, whether or not they hold a lease of it, except our own. */
export async function programsOf({ folder, record: { prefix, kind } }: Stage): Promise<number[]> {
  const real = await realpath(folder)
  const using = processesUsing(real)
  if (kind === 'venv') return [...new Set([...using, ...processesRunning(await pythonsOf(prefix), [folder, real])])]
  // Only the copy of a base has conda to be called.
  if (!existsSync(`${prefix}/${CONDARC}`)) return using
  return [...new Set([...using, ...processesCallingConda([folder, real])])]
}

/** What the links to Python in a virtual environment lead to. */
async function pythonsOf(prefix: string): Promise<Set<string>> {
  const names = (await readdir(`${prefix}/bin`).catch(() => [])).filter((name) => /^(python|pypy)[\d.]*t?$/.test(name))
  const found = await Promise.all(names.map((name) => realpath(`${prefix}/bin/${name}`).catch(() => [])))
  return new Set(found.flat())
}
