import { dirname } from 'node:path'
import type { Environment } from '../environment/find.ts'
import { addLease, type HeldLease, isLive, isSameUser, leasesOf, oneOfEachUser, removeLease } from '../leases/lease.ts'
import { stays } from '../leases/removal.ts'
import { errnoOf } from '../platform/errno.ts'
import { asLocalFailure } from '../stage/failure.ts'
import { damageOf } from '../stage/intact.ts'
import { readKeptHead } from '../stage/kept-index.ts'
import { stagesIn } from '../stage/list.ts'
import type { Stage } from '../stage/record.ts'
import { detachStage } from '../stage/remove.ts'
import { isAsNoted } from './known-archive.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { type AloneFacts, type LeaseFacts, leaseFor } from './share.ts'
import { warnIfLeft } from './warn-if-left.ts'

/** The shared stages of an environment in these local folders, of the form that is wanted, whatever their age. */
export async function sharedStages(
  { real }: Environment,
  folders: readonly string[],
  { uid, form = 'tree', alone, base }: Pick<Filled<StageOptions>, 'uid' | 'form' | 'base'> & AloneFacts,
): Promise<Stage[]> {
  const stages = await Promise.all(folders.map((folder) => stagesIn(folder, uid)))
  return stages
    .flat()
    .filter(
      ({ record }) =>
        record.real === real &&
        record.isPrivate === false &&
        record.alone === alone &&
        record.base?.prefix === base?.prefix &&
        (record.form ?? 'tree') === form,
    )
}

export interface Wanted {
  environment: Environment
  /** When the archive was written (ISO 8601), which tells it from others of the environment; undefined: there is none. */
  created: string | undefined
  /** Folders of stages that are known to be damaged. */
  damaged: Set<string>
  /** What is wrong with each stage, as `damageOf` finds it, by folder. */
  looks: ReadonlyMap<string, Promise<string | undefined>>
}

/** Begins to look for damage: that needs the local disk only, and so takes no time while a file server is asked. */
export function lookAt(stages: readonly Stage[]): Wanted['looks'] {
  const looks = new Map(stages.map((stage) => [stage.folder, damageOf(stage)]))
  for (const look of looks.values()) look.catch(() => {}) // of a stage that nobody wants
  return looks
}

/**
 * A stage of the archive's contents, or, if there is no archive, one whose own index is fresh.
 * @returns undefined if there is none to join. One that is damaged is removed, unless others use it.
 */
export async function joinStage(
  stages: readonly Stage[],
  { environment, created, damaged, looks }: Wanted,
  options: Filled<StageOptions & LeaseFacts>,
): Promise<StageResult | undefined> {
  for (const stage of stages) {
    const fits =
      created === undefined ? await isFresh(stage, environment, options) : stage.record.archive.created === created
    if (!fits || damaged.has(stage.folder) || !(await isWhole(stage, options, { damaged, looks }))) continue
    const joined = await join(stage, environment, options)
    if (joined) return joined
  }
  return undefined
}

/** Only a stage whose archive could not be written has to show by its own index that it is fresh. */
async function isFresh(
  { folder, record }: Stage,
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<boolean> {
  if (record.archive.path !== undefined) return false
  const head = await readKeptHead(folder).catch(() => undefined)
  return head !== undefined && (await isAsNoted(environment, { head, folder }, options))
}

async function isWhole(
  stage: Stage,
  { onProgress }: Filled<StageOptions>,
  { damaged, looks }: Pick<Wanted, 'damaged' | 'looks'>,
): Promise<boolean> {
  const damage = await looks.get(stage.folder)
  if (damage === undefined) return true
  damaged.add(stage.folder)
  const { prefix } = stage.record
  onProgress({ kind: 'warning', message: `The copy ${prefix} is damaged: ${damage}. Making another one` })
  const remove = await detachStage(stage).catch(() => undefined)
  if (typeof remove === 'function') await warnIfLeft(remove(), onProgress)
  return false
}

/** Writes the lease first and looks then, see `announceRemoval`. undefined: the stage is being removed. */
async function join(
  { folder, record }: Stage,
  environment: Environment,
  options: Filled<StageOptions & LeaseFacts>,
): Promise<StageResult | undefined> {
  const lease = await addLease(folder, leaseFor(environment.prefix, options)).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw asLocalFailure(error, dirname(folder))
  })
  if (lease === undefined) return undefined
  if (!(await stays(folder))) {
    await removeLease(lease)
    return undefined
  }
  // They are only counted: one that can't be read stops nobody.
  const leases = await leasesOf(folder).catch(() => [])
  const own = leases.find(({ file }) => file === lease)
  const isOther = (held: HeldLease): boolean =>
    own === undefined || !(isSameUser(held, own) || (own.lease.nodes && held.lease.call === own.lease.nodes.call))
  const others = oneOfEachUser(leases.filter(isLive)).filter(isOther).length
  const { prefix, files = 0, bytes = 0, archive } = record
  const also = others === 0 ? '' : ` (also in use by ${others} ${others === 1 ? 'other' : 'others'})`
  options.onProgress({ kind: 'info', message: `Using the copy that is already staged: ${prefix}${also}` })
  return {
    original: environment.prefix,
    prefix,
    folder,
    ...(archive.path !== undefined && { archive: archive.path }),
    files,
    bytes,
    lease,
    others,
    warnings: options.warnings,
  }
}
