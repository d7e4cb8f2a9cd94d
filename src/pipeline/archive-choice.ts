import type { BigIntStats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { readHead, readIndex } from '../archive/reader.ts'
import { archiveCandidates, openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { checkFull, checkQuick, type Freshness } from '../environment/freshness.ts'
import { StageError } from '../errors.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { inventory } from '../inventory/walk.ts'
import type { ArchiveHead } from '../model/archive-index.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** Where the environment's archive may be, and whether one of these is fresh. */
export interface Choice {
  /** Files that may be the archive, best first. */
  candidates: string[]
  /** Those of them at which somebody else's file stands. */
  foreign: string[]
  /** The first candidate that is fresh. */
  fresh?: string
  /** Why the first archive that is there is not fresh, and which file that was. */
  stale?: { archive: string; reason: string; identity: string }
}

/**
 * Looks for a fresh archive: beside the environment, then in the user's cache folder. An archive that is there but can't
 * be used is an error rather than passed over, since packing anew would not mend it. A file that is none of our archives
 * is passed over, where there is another place for one.
 * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_FOREIGN, ARCHIVE_OTHER_ENVIRONMENT, ARCHIVE_VERSION, ARCHIVE_UNTRUSTED
 */
export async function chooseArchive(environment: Environment, options: Filled<PackOptions>): Promise<Choice> {
  const candidates = archiveCandidates(environment, options)
  const choice: Choice = { candidates, foreign: [] }
  // An archive for use elsewhere can't be compared with the environment.
  if (options.force || options.destPrefix || options.arcroot || options.filters) return choice
  for (const archive of candidates) {
    const freshness = await freshnessOf(archive, environment, candidates, options).catch((error: unknown) => {
      if (!(error instanceof StageError) || error.code !== 'ARCHIVE_FOREIGN' || candidates.length === 1) throw error
      choice.foreign.push(archive)
    })
    if (freshness?.fresh) return { ...choice, fresh: archive }
    if (freshness) choice.stale ??= { archive, reason: freshness.reason, identity: freshness.identity }
  }
  return choice
}

/** Whether the archive that was found out of date is there as it was: then there is nothing to be found out again. */
export async function isAsItWas({ archive, identity }: NonNullable<Choice['stale']>): Promise<boolean> {
  return await lstat(archive, { bigint: true }).then(
    (stats) => identityOf(stats) === identity,
    () => false,
  )
}

/** An archive is never written into, but another is put in its place. */
const identityOf = ({ dev, ino, size, mtimeNs }: BigIntStats): string => `${dev}:${ino}:${size}:${mtimeNs}`

/** undefined where there is no such file. */
async function freshnessOf(
  archive: string,
  environment: Environment,
  candidates: readonly string[],
  { check, signal, uid }: Filled<PackOptions>,
): Promise<(Freshness & { identity: string }) | undefined> {
  const handle = await openTrusted(archive, [uid, environment.ownerUid]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error instanceof StageError ? error : unreadable(archive, error)
  })
  if (handle === undefined) return undefined
  try {
    const head = await readHead(archive, handle)
    assertSameEnvironment(archive, head, environment)
    const isExcluded = exclusions(environment, candidates)
    const all = async () => (await readIndex(archive, handle)).entries
    const identity = identityOf(await handle.stat({ bigint: true }))
    // Made for use elsewhere, with --exclude for instance.
    if (head.whole === undefined)
      return { fresh: false, reason: 'it does not hold the whole environment', path: '', identity }
    if (check !== 'full')
      return { ...(await checkQuick(environment, { entries: head.watched }, { isExcluded, all })), identity }
    const entries = await inventory(environment, { isExcluded, ...(signal && { signal }) })
    return { ...checkFull({ entries: await all() }, entries), identity }
  } finally {
    await handle.close()
  }
}

/** The real path decides: a home that is reached by several names has one archive. */
function assertSameEnvironment(archive: string, head: ArchiveHead, environment: Environment): void {
  if (head.prefixes.includes(environment.real) || head.prefixes.includes(environment.prefix)) return
  throw new StageError(
    'ARCHIVE_OTHER_ENVIRONMENT',
    `${archive} is the archive of another environment (${head.prefixes[0]}), not of ${environment.prefix}`,
    { path: archive, hint: 'Move it away, or write this one over it with: conda-stage --pack --force' },
  )
}

function unreadable(archive: string, cause: NodeJS.ErrnoException): StageError {
  return new StageError('ARCHIVE_UNTRUSTED', `The archive ${archive} can't be read (${cause.code})`, {
    path: archive,
    hint: 'Ask its owner for permission to read it, or name another archive with --output=FILE',
    cause,
  })
}
