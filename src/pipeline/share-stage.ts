import { rmdir } from 'node:fs/promises'
import { removeLeftoversOfDead } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { inTurn, type Turn } from '../leases/turn.ts'
import { jobId } from '../platform/job.ts'
import { belongsToJob, findLocalFolder, suitableFolders } from '../platform/local-disk.ts'
import { sweepDebris } from '../stage/sweep.ts'
import { chooseArchive } from './archive-choice.ts'
import { joinStage, lookAt, sharedStages } from './join-stage.ts'
import { knownArchive } from './known-archive.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import type { Shared } from './stage-from-archive.ts'

/**
 * The stage that is there already, or a new one. If several processes want one at the same time, one makes it and the others
 * wait for it; if it fails or is killed, the next one makes it.
 */
export async function shareStage(environment: Environment, options: Filled<StageOptions>): Promise<StageResult> {
  const { onProgress } = options
  const local = await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 } })
  const folders = (await suitableFolders(options)).map(({ real }) => real)
  const job = jobId(options.env)
  if (job !== undefined && belongsToJob(local, options.env))
    onProgress({ kind: 'detail', message: `${local.path} belongs to job ${job}: only this job shares the copy` })
  const shared: Shared = { folders, damaged: new Set() }
  try {
    return await inTurn(turnFor(environment, local, options), {
      already: () => existing(environment, shared, options),
      body: async () => (await import('./stage-from-archive.ts')).stageFromArchive(environment, options, shared),
    })
  } catch (error) {
    if (local.created) await rmdir(local.real).catch(() => {})
    throw error
  }
}

/** The turn to make a copy of an environment in a local folder. */
export const turnFor = (
  { real }: Pick<Environment, 'real'>,
  local: { real: string },
  { uid, signal, onProgress }: Filled<StageOptions>,
): Turn => ({
  local: local.real,
  what: `stage ${real}`,
  uid,
  signal,
  onWait: ({ pid }) =>
    onProgress({ kind: 'info', message: `Another conda-stage is making the copy (process ${pid}): waiting for it` }),
})

/** What can be told without packing or converting anything. */
async function existing(
  environment: Environment,
  { folders, damaged }: Shared,
  options: Filled<StageOptions>,
): Promise<StageResult | undefined> {
  const { uid, output, packer, force } = options
  // Which contents these have, is known only later.
  if (output !== undefined || packer === 'conda-pack' || force) return undefined
  const stages = await sharedStages(environment, folders, options)
  if (stages.length === 0) return undefined
  const looks = lookAt(stages)
  const { created, fresh } =
    (await knownArchive(stages, environment, options)) ?? (await chooseArchive(environment, options))
  const joined = await joinStage(stages, { environment, created, damaged, looks }, options)
  if (joined === undefined) return undefined
  const tidied = fresh === undefined ? undefined : removeLeftoversOfDead(fresh)
  for (const folder of folders) await sweepDebris(folder, { uid })
  await tidied
  return joined
}
