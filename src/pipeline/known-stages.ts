import { dirname, resolve } from 'node:path'
import { byText } from '../model/order.ts'
import { localCandidates } from '../platform/local-candidates.ts'
import { readdir, realpath } from '../platform/remote-fs.ts'
import { stagesIn } from '../stage/list.ts'
import { notedLocalFolders } from '../stage/noted-folders.ts'
import type { Stage } from '../stage/record.ts'
import { stagesOf } from './activation.ts'
import type { StageOptions } from './options.ts'
import type { Filled } from './original.ts'

/** The stages of this user on this node, oldest first, in the folders of `localFoldersOfUser`. */
export async function stagesOnThisNode(options: Filled<StageOptions>): Promise<Stage[]> {
  const folders = await localFoldersOfUser(options)
  const stages = await Promise.all(folders.map((folder) => stagesIn(folder, options.uid)))
  return stages.flat().sort((a, b) => byText(a.record.created, b.record.created))
}

/**
 * All folders in which conda-stage makes stages, those that were ever named with --path or CONDA_STAGE_PATH, and those of the
 * stages of this session; with symbolic links resolved.
 */
export async function localFoldersOfUser(options: Filled<StageOptions>): Promise<string[]> {
  const { env, cwd, path } = options
  const named = [path, env.CONDA_STAGE_PATH].filter((folder) => folder).map((folder) => resolve(cwd, folder!))
  const active = [...(await stagesOf(env)).values()].map(({ folder }) => dirname(folder))
  const candidates = localCandidates(env, await readdir('/').catch(() => []), options)
    .filter(({ unusable }) => unusable === undefined)
    .map((candidate) => candidate.path)
  const folders = [...named, ...active, ...candidates, ...(await notedLocalFolders(env))]
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)))
  return [...new Set(real)].filter((folder) => folder !== undefined)
}
