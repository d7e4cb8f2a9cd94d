import { constants } from 'node:fs'
import { basename, join } from 'node:path'
import { StageError } from '../errors.ts'
import { access, realpath, stat } from './remote-fs.ts'

/** Where the system's programs are, and where PATH in a job or from cron may not lead. */
const SYSTEM_FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin']

export interface ProgramSearch {
  env: Readonly<Record<string, string | undefined>>
  /** A variable that may name the program. It comes first. */
  variable?: string
  /** Prefixes of environments whose programs are not taken: they stand on slow disks, or under a mount that is about to be made. */
  without: readonly string[]
}

/**
 * The first program of these names: the one that the variable names, then those on PATH, then the system's. For each name
 * everything is searched before the next.
 * @throws StageError NO_PROGRAM if the variable names something else than a program of these names
 */
export async function findProgram(
  names: readonly string[],
  { env, variable, without }: ProgramSearch,
): Promise<string | undefined> {
  const named = variable === undefined ? undefined : env[variable]
  if (named) {
    if (names.includes(basename(named)) && named.startsWith('/') && (await isProgram(named))) return named
    throw new StageError('NO_PROGRAM', `${variable}=${named} names no program that can be used`, {
      path: named,
      hint: `Set it to the whole path of ${names.join(' or ')}, or unset it.`,
    })
  }
  const onPath = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const folders = [...new Set([...onPath, ...SYSTEM_FOLDERS])]
  const real = await Promise.all(without.map((prefix) => realpath(prefix).catch(() => prefix)))
  const isOwn = (folder: string) => [...without, ...real].some((prefix) => `${folder}/`.startsWith(`${prefix}/`))
  for (const name of names)
    for (const folder of folders) if (!isOwn(folder) && (await isProgram(join(folder, name)))) return join(folder, name)
  return undefined
}

async function isProgram(path: string): Promise<boolean> {
  return await access(path, constants.X_OK)
    .then(() => stat(path))
    .then(
      (facts) => facts.isFile(),
      () => false,
    )
}
