import { resolve } from 'node:path'
import { type OutlivedArchive, outlivedArchives } from '../cache/index.ts'
import { namesOfBase, type Variables } from '../environment/conda-folders.ts'
import { findEnvironment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { activePrefix } from '../model/active.ts'
import { AUTO_STAGE, AUTO_UNSTAGE } from '../model/auto-scripts.ts'
import {
  type Amount,
  firstStageSeconds,
  laterStageSeconds,
  type Payback,
  paybackOf,
  USUAL_START,
} from '../model/cost.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import { findLocalFolder, localFileSystem } from '../platform/local-disk.ts'
import { readSmall } from '../platform/read-small.ts'
import { exists } from '../platform/remote-fs.ts'
import { timeOfLookUp } from '../platform/time-of-look-up.ts'
import { findStage } from '../stage/record.ts'
import { amountIn, amountOf, recordedSizes, siteOf } from './amount.ts'
import { chooseArchive } from './archive-choice.ts'
import { type StagedCopy, stagedCopy } from './copies.ts'
import { stagesOnThisNode } from './known-stages.ts'
import type { StageOptions } from './options.ts'
import { fillIn } from './original.ts'

/** What --status reports. If a fact can't be had, a message stands in for it. */
export interface Status {
  /** The active (or named) prefix, if there is one. */
  prefix?: string
  isStaged: boolean
  /** The original of a staged copy; else the prefix itself. */
  original?: string
  /** Why the original can't be read. */
  problem?: string
  kind?: EnvironmentKind
  isBase?: boolean
  /** The original is on local disk already: a copy gains little. */
  isLocal?: boolean
  archive?: {
    path: string
    state: 'fresh' | 'out of date' | 'missing' | 'unusable' | 'staged by itself'
    reason?: string
  }
  /** The image, if there is one and it is not what was asked for. */
  image?: NonNullable<Status['archive']>
  /** Whether a stage pays: from the archive if that is fresh, else one that packs. Missing if the original is on local disk. */
  payback?: Payback
  /**
   * Whether the original is staged whenever it is activated, whether its copy is then removed when it is left, and how many minutes after
   * that.
   */
  autoStage?: { enabled: boolean; unstage: boolean; keepMinutes?: number }
  /** The session's conda runs from this copy. */
  conda?: { prefix: string; original: string }
  /** Where a stage would be made now. */
  local: { path?: string; source?: string; problem?: string }
  /** All stages of this user on this node, oldest first. */
  stages: StagedCopy[]
  /** Archives of this user whose environments are gone. */
  outlived: OutlivedArchive[]
}

/** Reads only; changes nothing. */
export async function status(given: StageOptions): Promise<Status> {
  const options = fillIn(given)
  const active = options.prefix ?? activePrefix(options.env)
  const outside = active ? [resolve(options.cwd, active)] : []
  const local = await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 }, dryRun: true, outside }).then(
    ({ path, source }) => ({ path, source }),
    (error: unknown) => ({ problem: messageOf(error) }),
  )
  const stages = await Promise.all((await stagesOnThisNode(options)).map(stagedCopy))
  const conda = await condaOf(options.env)
  if (!active) return { isStaged: false, ...conda, local, stages, outlived: await outlivedArchives(options) }
  const prefix = resolve(options.cwd, active)
  const staged = await findStage(prefix)
  const original = staged?.record.original ?? prefix
  const record = staged?.record
  const archive =
    record?.alone === undefined
      ? await archiveStatus({ ...options, prefix: original })
      : { archive: { path: record.archive.path!, state: 'staged by itself' as const } }
  const image = record?.alone === undefined ? await imageStatus({ ...options, prefix: original }) : undefined
  const payback = archive.isLocal === false ? await expectedPayback(original, archive, options) : undefined
  const outlived = await outlivedArchives({ ...options, original })
  const autoStage = await autoStagingOf(original)
  return {
    prefix,
    isStaged: staged !== undefined,
    original,
    ...archive,
    ...(image && { image }),
    ...(payback && { payback }),
    autoStage,
    ...conda,
    local,
    stages,
    outlived,
  }
}

async function condaOf(env: Variables): Promise<Pick<Status, 'conda'>> {
  const [base] = namesOfBase(env)
  const staged = base === undefined ? undefined : await findStage(base)
  return staged ? { conda: { prefix: staged.record.prefix, original: staged.record.original } } : {}
}

/** By the scripts that `--auto-stage` puts there. */
async function autoStagingOf(original: string): Promise<NonNullable<Status['autoStage']>> {
  const script = await readSmall(`${original}/${AUTO_STAGE}.sh`, MOST_OF_SCRIPT).then(String, () => undefined)
  const keep = /--keep=(\d+|unlimited)/.exec(script ?? '')?.[1]
  return {
    enabled: script !== undefined,
    unstage: keep !== 'unlimited' && (await exists(`${original}/${AUTO_UNSTAGE}.sh`)),
    ...(keep !== undefined && keep !== 'unlimited' && { keepMinutes: Number(keep) }),
  }
}

const MOST_OF_SCRIPT = 64 * 1024

async function archiveStatus(
  options: ReturnType<typeof fillIn>,
): Promise<Pick<Status, 'problem' | 'kind' | 'isBase' | 'isLocal' | 'archive'>> {
  const environment = await findEnvironment(options).catch(messageOf)
  if (typeof environment === 'string') return { problem: environment }
  const isLocal = (await localFileSystem(environment.real)) !== undefined
  const facts = { kind: environment.kind, isBase: environment.isBase, isLocal }
  try {
    const { fresh, stale, damaged, candidates, foreign } = await chooseArchive(environment, {
      ...options,
      force: false,
    })
    if (fresh) return { ...facts, archive: { path: fresh, state: 'fresh' } }
    if (stale) return { ...facts, archive: { path: stale.archive, state: 'out of date', reason: stale.reason } }
    if (damaged) return { ...facts, archive: { path: damaged.path!, state: 'unusable', reason: damaged.message } }
    const path = candidates.find((candidate) => !foreign.includes(candidate)) ?? candidates[0]!
    return { ...facts, archive: { path, state: 'missing' } }
  } catch (error) {
    const path = error instanceof StageError ? (error.path ?? '') : ''
    return { ...facts, archive: { path, state: 'unusable', reason: messageOf(error) } }
  }
}

/** Undefined if there is none, or --output names another file. */
async function imageStatus(options: ReturnType<typeof fillIn>): Promise<Status['archive']> {
  if (options.format === 'sqfs' || options.output !== undefined) return undefined
  const { archive } = await archiveStatus({ ...options, format: 'sqfs' })
  return archive?.state === 'missing' ? undefined : archive
}

async function expectedPayback(
  original: string,
  { archive, kind = 'conda' }: Pick<Status, 'archive' | 'kind'>,
  { threads }: StageOptions,
): Promise<Payback | undefined> {
  try {
    const site = siteOf(await timeOfLookUp(original), threads)
    const isFresh = archive?.state === 'fresh'
    const amount = isFresh ? await amountIn(archive.path) : await leastAmount({ kind, prefix: original })
    return paybackOf(amount, site, isFresh ? laterStageSeconds(amount, site) : firstStageSeconds(amount, site))
  } catch (error) {
    // What can't be read has been reported as the state of the archive.
    if (error instanceof StageError) return undefined
    throw error
  }
}

/** Files that conda has not installed are in no record: there may be enough for a usual start. */
async function leastAmount(original: Parameters<typeof recordedSizes>[0]): Promise<Amount> {
  const recorded = amountOf(await recordedSizes(original))
  return { ...recorded, files: Math.max(recorded.files, USUAL_START.requests) }
}

function messageOf(error: unknown): string {
  if (error instanceof StageError) return [error.message, error.lines.join('; ')].filter(Boolean).join(' ')
  throw error
}
