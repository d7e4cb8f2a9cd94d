import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asReadFailure } from '../archive/failure.ts'
import { readHead, readIndex } from '../archive/reader.ts'
import { archiveCandidates, isOpenToAll, openTrustedIfThere } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { checkFull, checkQuick, type Freshness } from '../environment/freshness.ts'
import { StageError } from '../errors.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { inventory } from '../inventory/walk.ts'
import type { ArchiveHead } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { mayHang } from '../platform/mounts.ts'
import { lstat } from '../platform/remote-fs.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** Where the environment's archive may be, and whether one of these is fresh. */
export interface Choice {
  /** Files that may be the archive, best first. */
  candidates: string[]
  /** Candidates whose place is taken by a file that is not one of our archives, or by another user's. */
  foreign: string[]
  /** What is wrong with those of other users. */
  untrusted: StageError[]
  /** The first fresh candidate. */
  fresh?: string
  /** When that was written (ISO 8601), and what else its head says. */
  created?: string
  head?: ArchiveHead
  /** The first archive that exists but is out of date: why, and which file it was. */
  stale?: { archive: string; reason: string; identity: string }
  /** What is wrong with the first archive of ours that is damaged or can't be read. */
  damaged?: StageError
}

/** An archive that was found damaged while it was used, and which file it was: another may have replaced it since. */
export interface Damaged {
  error: StageError
  /** Undefined if even that can't be known. */
  identity: string | undefined
}

/** The archive is damaged, or its disk does not give it: packing again mends either. */
export const isDamage = (error: unknown): error is StageError =>
  error instanceof StageError && (error.code === 'ARCHIVE_DAMAGED' || error.code === 'ARCHIVE_UNREADABLE')

/**
 * Looks for a fresh archive: beside the environment, then in the user's cache folder. A damaged archive of ours, or one that the
 * disk does not give, counts as none, because packing again replaces it. Another archive that can't be used is an error rather
 * than skipped, since packing again would not mend it. A file that is not one of our archives is skipped if there is another
 * place for one, and so is one of another user in a folder where anybody may put one.
 * @param damaged a file that is known to be damaged, although its head may be sound
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_OTHER_ENVIRONMENT, ARCHIVE_VERSION, ARCHIVE_UNTRUSTED
 */
export async function chooseArchive(
  environment: Environment,
  options: Filled<PackOptions>,
  damaged?: Damaged,
): Promise<Choice> {
  const candidates = archiveCandidates(environment, options)
  const choice: Choice = { candidates, foreign: [], untrusted: [] }
  // An archive for use elsewhere can't be compared with the environment.
  if (options.force || options.destPrefix || options.arcroot || options.filters) return choice
  for (const archive of candidates) {
    const freshness = await freshnessOf(archive, environment, { candidates, damaged }, options).catch(
      async (error: unknown) => {
        if (isDamage(error)) {
          choice.damaged ??= error
          return
        }
        // A folder that can't be looked into says no more than one that anybody may write to.
        const isOfOthers = isUntrusted(error) && (await isOpenToAll(dirname(archive)).catch(() => true))
        if (candidates.length === 1 || !(isForeign(error) || isOfOthers)) throw error
        choice.foreign.push(archive)
        if (isOfOthers) choice.untrusted.push(error)
      },
    )
    if (freshness?.fresh) return { ...choice, fresh: archive, created: freshness.head.created, head: freshness.head }
    if (freshness) choice.stale ??= { archive, reason: freshness.reason, identity: freshness.identity }
  }
  return choice
}

/** Whether the archive that was found out of date is still the same file: then the answer is still the same. */
export async function isUnchanged({ archive, identity }: NonNullable<Choice['stale']>): Promise<boolean> {
  return await lstat(archive, { bigint: true }).then(
    (stats) => identityOf(stats) === identity,
    () => false,
  )
}

const isForeign = (error: unknown): boolean => error instanceof StageError && error.code === 'ARCHIVE_FOREIGN'

const isUntrusted = (error: unknown): error is StageError =>
  error instanceof StageError && error.code === 'ARCHIVE_UNTRUSTED'

/** Which file it is. @throws StageError ARCHIVE_UNREADABLE */
export async function identityOfOpen(archive: string, handle: FileHandle): Promise<string> {
  return identityOf(
    await handle.stat({ bigint: true }).catch((error: unknown) => {
      throw asReadFailure(error, archive)
    }),
  )
}

/** Archives are never modified, only replaced. */
export const identityOf = ({ dev, ino, size, mtimeNs }: BigIntStats): string => `${dev}:${ino}:${size}:${mtimeNs}`

/** Undefined if there is no such file. */
async function freshnessOf(
  archive: string,
  environment: Environment,
  { candidates, damaged }: { candidates: readonly string[]; damaged: Damaged | undefined },
  { check, signal, uid }: Filled<PackOptions>,
): Promise<(Freshness & { identity: string; head: ArchiveHead }) | undefined> {
  const handle = await openTrustedIfThere(archive, [uid, environment.ownerUid])
  if (handle === undefined) return undefined
  try {
    const identity = await identityOfOpen(archive, handle)
    if (damaged?.identity === identity) throw damaged.error
    const head = await readHead(archive, handle)
    assertSameEnvironment(archive, head, environment)
    const isExcluded = exclusions(environment, candidates)
    const all = async () => (await readIndex(archive, handle)).entries
    // Made for use elsewhere, with --exclude for instance.
    if (head.whole === undefined)
      return { fresh: false, reason: 'it does not hold the whole environment', path: '', identity, head }
    if (check !== 'full')
      return {
        ...(await checkQuick(environment, { ...head, entries: head.watched }, { isExcluded, all })),
        identity,
        head,
      }
    const look = { isExcluded, mayHang: mayHang(environment.real), ...(signal && { signal }) }
    const entries = await inventory(environment, look)
    return { ...checkFull({ entries: await all() }, entries), identity, head }
  } finally {
    await closeRead(handle)
  }
}

/** The real path decides: a home that has several names has one archive. */
function assertSameEnvironment(archive: string, head: ArchiveHead, environment: Environment): void {
  if (head.prefixes.includes(environment.real) || head.prefixes.includes(environment.prefix)) return
  throw new StageError(
    'ARCHIVE_OTHER_ENVIRONMENT',
    `${archive} is the archive of another environment (${head.prefixes[0]}), not of ${environment.prefix}`,
    { path: archive, hint: 'Move it away, or overwrite it with: conda-stage --pack --force' },
  )
}

export const reasonOf = ({ stale, damaged }: Choice): string | undefined =>
  stale ? `The archive ${stale.archive} is out of date: ${stale.reason}` : damaged?.message
