import { dirname, resolve } from 'node:path'
import { StageError } from '../errors.ts'
import { keptUntil } from '../leases/kept.ts'
import { leasesOf, liveAmong, oneOfEachUser } from '../leases/lease.ts'
import type { Holder } from '../leases/users.ts'
import { isMisread } from '../model/file-names.ts'
import type { Form } from '../model/form.ts'
import { byText } from '../model/order.ts'
import { realpath } from '../platform/remote-fs.ts'
import { stagesIn } from '../stage/list.ts'
import { programsOf } from '../stage/programs.ts'
import type { Stage } from '../stage/record.ts'
import { detachStage } from '../stage/remove.ts'
import { debrisIn, type Standing, sweepDebris, whyStanding } from '../stage/sweep.ts'
import { localFoldersOfUser } from './known-stages.ts'
import type { StageOptions } from './options.ts'
import { type Filled, fillIn } from './original.ts'

/** A stage on this node. */
export interface StagedCopy {
  prefix: string
  original: string
  form: Form
  /** Of its files; missing for stages of older versions. */
  bytes?: number
  files?: number
  /** Bytes in files that it had in common with other copies when it was made: they take up no room of their own. */
  sharedBytes?: number
  /** ISO 8601. */
  created: string
  readOnly: boolean
  isPrivate: boolean
  users: CopyUser[]
  /** Processes that need it although nobody uses it: such a copy is not removed. Missing if there is none. */
  programs?: number[]
  /** The nodes to which a session here has brought it. */
  nodes?: string[]
  /** Until when it stands if nobody uses it, in milliseconds since 1970; null: until somebody removes it. */
  keptUntil?: number | null
}

/** Somebody who uses a stage, and since when (ISO 8601). */
export type CopyUser = Pick<Holder, 'kind' | 'job'> & {
  pids: number[]
  since: string
  /** Why nobody can tell who that is. */
  unread?: string
}

/** The stages of this user on this node, oldest first; with `path` those in that folder only. Changes nothing. */
export async function listCopies(given: StageOptions): Promise<StagedCopy[]> {
  const options = fillIn(given)
  const stages = await Promise.all((await foldersFor(options)).map((folder) => stagesIn(folder, options.uid)))
  const copies = await Promise.all(stages.flat().map(stagedCopy))
  return copies.sort((a, b) => byText(a.created, b.created))
}

export async function stagedCopy(copy: Stage): Promise<StagedCopy> {
  const { folder, record } = copy
  const { prefix, original, form = 'tree', bytes, files, shared, created, readOnly, isPrivate = true } = record
  const live = await liveAmong(await leasesOf(folder))
  const users = oneOfEachUser(live).map(({ lease: { holder, since }, unread }): CopyUser => {
    const { kind, job, processes } = holder
    const pids = processes.map(({ pid }) => pid)
    return { kind, ...(job && { job }), pids, since, ...(unread && { unread: unread.message }) }
  })
  const programs = users.length === 0 ? await programsOf(copy) : []
  const until = await keptUntil(folder)
  const nodes = [...new Set(live.flatMap(({ lease }) => lease.nodes?.names ?? []))]
  return {
    prefix,
    original,
    form,
    ...(bytes !== undefined && { bytes }),
    ...(shared && { sharedBytes: shared.bytes }),
    ...(files !== undefined && { files }),
    created,
    readOnly,
    isPrivate,
    users,
    ...(programs.length > 0 && { programs }),
    ...(nodes.length > 0 && { nodes }),
    ...(until !== undefined && users.length === 0 && { keptUntil: until }),
  }
}

/** A copy that stays. */
export interface Left {
  stage: Stage
  why: Exclude<Standing, 'kept'>
  /** With `unknown`. */
  unread?: StageError
}

/** What `cleanUp` removes, and what it leaves and why. */
export interface CleaningPlan {
  unused: Stage[]
  standing: Left[]
  /** Folders that killed calls left: unfinished stages and removals. */
  debris: string[]
}

/** Changes nothing. With `path`: in that folder only. */
export async function planCleaning(given: StageOptions): Promise<CleaningPlan> {
  const options = fillIn(given)
  const plan: CleaningPlan = { unused: [], standing: [], debris: [] }
  for (const local of await foldersFor(options)) {
    const stages = await stagesIn(local, options.uid)
    for (const stage of stages) {
      const why = await whyStanding(stage, { dryRun: true })
      if (why === undefined || why === 'kept') plan.unused.push(stage)
      else plan.standing.push({ stage, why, ...(why === 'unknown' && (await unreadOf(stage))) })
    }
    const folders = new Set(stages.map(({ folder }) => folder))
    plan.debris.push(...(await debrisIn(local, options)).filter((folder) => !folders.has(folder)))
  }
  return plan
}

async function unreadOf({ folder }: Stage): Promise<Pick<Left, 'unread'>> {
  const unread = (await leasesOf(folder)).find((held) => held.unread)?.unread
  return { ...(unread && { unread }) }
}

/**
 * Removes what the plan names. What somebody has begun to use since then stays.
 * @param all also what is `standing`, even while it is used
 * @returns what is gone
 * @throws what is wrong with one of them, when all others are gone
 */
export async function cleanUp(
  plan: CleaningPlan,
  { uid, all = false }: { uid: number; all?: boolean },
): Promise<{ stages: Stage[]; debris: string[] }> {
  const doomed = [
    ...plan.unused.map((stage) => ({ stage, force: false })),
    ...(all ? plan.standing.map(({ stage }) => ({ stage, force: true })) : []),
  ]
  const stages: Stage[] = []
  let failure: unknown
  for (const { stage, force } of doomed) {
    try {
      const remove = await detachStage(stage, { force })
      if (typeof remove === 'string') continue
      stages.push(stage)
      await remove()
    } catch (error) {
      failure ??= error
    }
  }
  const debris: string[] = []
  for (const local of new Set(plan.debris.map((folder) => dirname(folder))))
    debris.push(...(await sweepDebris(local, { uid })))
  if (failure !== undefined) throw failure
  return { stages, debris }
}

async function foldersFor(options: Filled<StageOptions>): Promise<string[]> {
  const { path, cwd } = options
  if (path === undefined) return await localFoldersOfUser(options)
  const folder = resolve(cwd, path)
  return [
    await realpath(folder).catch((cause: unknown) => {
      throw new StageError(
        'TARGET_UNWRITABLE',
        `${folder} (from --path) ${isMisread(folder) ? 'is not valid UTF-8' : "can't be read"}`,
        {
          path: folder,
          hint: 'Name a folder that holds copies.',
          cause,
        },
      )
    }),
  ]
}
