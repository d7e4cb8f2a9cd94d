import { archiveCandidates, candidatesBefore, isTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { checkQuick } from '../environment/freshness.ts'
import { isCancelled } from '../errors.ts'
import { exclusions, type IsExcluded } from '../inventory/exclusions.ts'
import { errnoOf } from '../platform/errno.ts'
import { lstat } from '../platform/remote-fs.ts'
import { readKeptIndex } from '../stage/kept-index.ts'
import { fileOf, type NotedArchive, readNotedArchive } from '../stage/noted-archive.ts'
import type { Stage } from '../stage/record.ts'
import type { StageOptions } from './options.ts'
import type { Filled } from './original.ts'

/** A fresh archive, as `chooseArchive` would find it, from what a stage has noted of it: without reading the archive. */
export interface Known {
  fresh: string
  created: string
}

/** The archive of one of the stages, if it is still the same file, the first choice, and fresh. undefined: look at all of them. */
export async function knownArchive(
  stages: readonly Stage[],
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<Known | undefined> {
  if (options.check === 'full') return undefined
  for (const stage of stages) {
    const known = await knownOf(stage, environment, options)
    if (known) return known
  }
  return undefined
}

async function knownOf(
  { folder, record }: Stage,
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<Known | undefined> {
  const { path } = record.archive
  const before = path === undefined ? undefined : candidatesBefore(path, environment, options)
  const noted = before && (await readNotedArchive(folder))
  if (path === undefined || before === undefined || noted === undefined) return undefined
  const { head } = noted
  const { prefix, real, ownerUid } = environment
  if (head.whole === undefined || !(head.prefixes.includes(real) || head.prefixes.includes(prefix))) return undefined
  const [isSame, isFirst, isFresh] = await Promise.all([
    lstat(path, { bigint: true }).then(
      (facts) => isTrusted(path, facts, [options.uid, ownerUid]) && fileOf(facts) === noted.file,
      unlessCancelled(false),
    ),
    Promise.all(before.map(isAbsent)).then((absent) => !absent.includes(false)),
    isAsNoted(environment, { head, folder }, options),
  ])
  return isSame && isFirst && isFresh ? { fresh: path, created: head.created } : undefined
}

/**
 * Whether the environment is as a stage has it noted, checked as `chooseArchive` does. What is wrong otherwise is reported by whoever
 * packs.
 */
export async function isAsNoted(
  environment: Environment,
  { head, folder }: { head: NotedArchive['head']; folder: string },
  options: Filled<StageOptions>,
): Promise<boolean> {
  const state = { ...head, entries: head.watched }
  let excluded: IsExcluded | undefined
  const isExcluded: IsExcluded = (path) => {
    excluded ??= exclusions(environment, archiveCandidates(environment, options))
    return excluded(path)
  }
  const all = async () => (await readKeptIndex(folder)).entries
  return await checkQuick(environment, state, { isExcluded, all }).then(({ fresh }) => fresh, unlessCancelled(false))
}

const isAbsent = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    (error: unknown) => unlessCancelled(errnoOf(error) === 'ENOENT')(error),
  )

/** A look-up that nobody waited for has shown nothing. */
const unlessCancelled =
  <T>(value: T) =>
  (error: unknown): T => {
    if (isCancelled(error)) throw error
    return value
  }
