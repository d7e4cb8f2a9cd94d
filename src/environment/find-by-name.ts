import { basename, join } from 'node:path'
import { StageError } from '../errors.ts'
import { retiredArchiveOf } from '../model/file-names.ts'
import { errnoOf } from '../platform/errno.ts'
import { exists, stat } from '../platform/remote-fs.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import { basesOf, environmentFolders, listedPrefixes, type Variables } from './conda-folders.ts'

/**
 * The prefix of the environment that conda knows by a name, found without starting conda: in the folders that variables and
 * conda's configuration name, beside the base, then in conda's list of all environments.
 * @throws StageError USAGE, NO_ENVIRONMENT
 */
export async function findByName(name: string, env: Variables): Promise<string> {
  if (name.includes('/'))
    throw new StageError('USAGE', `--name=${name} is a path`, { hint: 'Give it with --prefix=PATH.' })
  const bases = await basesOf(env)
  if (name === 'base' || name === 'root') {
    for (const base of bases) if (await isEnvironment(base)) return base
    notFound(name, bases)
  }
  const folders = await environmentFolders(env, bases)
  for (const folder of folders) if (await isEnvironment(join(folder, name))) return join(folder, name)
  // The message of its prefix says how to go on.
  for (const folder of folders) if (await exists(retiredArchiveOf(join(folder, name)))) return join(folder, name)
  const listed = await listedEnvironments(name, env)
  if (listed.length > 1) {
    throw new StageError('NO_ENVIRONMENT', `${listed.length} environments are named ${name}: ${listed.join(', ')}`, {
      hint: 'Give the path of one with --prefix=PATH.',
    })
  }
  return listed[0] ?? notFound(name, [...folders, '~/.conda/environments.txt'])
}

function notFound(name: string, places: readonly string[]): never {
  throw new StageError(
    'NO_ENVIRONMENT',
    `there is no environment named ${name}${places.length > 0 ? ` in ${places.join(', ')}` : ''}`,
    {
      hint: "Give its path with --prefix=PATH ('conda env list' shows all).",
    },
  )
}

/** Environments of that name in conda's list of all that it has made, wherever they are. */
async function listedEnvironments(name: string, env: Variables): Promise<string[]> {
  const paths = (await listedPrefixes(env)).filter((path) => basename(path) === name)
  const found: string[] = []
  for (const path of paths) if (await isEnvironment(path)) found.push(path)
  return found
}

/** Others' folders can't be read, and hold no environment of ours. */
const isEnvironment = (path: string): Promise<boolean> =>
  stat(join(path, 'conda-meta')).then(
    (facts) => facts.isDirectory(),
    (error: unknown) => {
      if (isGone(error) || errnoOf(error) === 'EACCES') return false
      throw unreadable(path, error)
    },
  )
