import { basename, dirname, join, resolve } from 'node:path'
import { asWriteFailure } from '../archive/failure.ts'
import { pixiArchiveBase } from '../environment/pixi.ts'
import { isCancelled, StageError } from '../errors.ts'
import type { ArchiveFormat } from '../model/archive-index.ts'
import { shortHash } from '../model/digest.ts'
import { cutName, isMisread, LONGEST_NAME } from '../model/file-names.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import { homeOf } from '../platform/home.ts'
import { isInside } from '../platform/inside.ts'
import { expandFolder } from '../platform/job.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { open, unlink } from '../platform/remote-fs.ts'
import { assertReplaceable } from './replaceable.ts'
import { temporaryName } from './temporary.ts'

interface CandidateOptions {
  /** From --output. It is then the only candidate. */
  output?: string
  /** From the configuration. It is tried before all others. `{user}` and `~/` are replaced. */
  archiveFolder?: string
  format?: ArchiveFormat
  env: Readonly<Record<string, string | undefined>>
  cwd: string
}

/**
 * Files that may be the environment's archive, best first: in the configured folder, beside the environment (of pixi's, beside
 * `envs`), in the user's cache folder. A virtual environment stands in the folder of a project, which is git's business, so nothing
 * goes beside it. Does not access the file system.
 */
export function archiveCandidates(environment: Named, options: CandidateOptions): string[] {
  if (options.output !== undefined) return [resolve(options.cwd, options.output)]
  // Environments of the same name need different archives.
  const hash = shortHash(environment.real)
  return candidatesWith(hash, environment, options)
}

/**
 * The candidates before `archive`, which has been the environment's archive. undefined if it is none any more, or if that can't
 * be told without computing a hash: loading node:crypto takes 7 ms of a call that joins a copy.
 */
export function candidatesBefore(
  archive: string,
  environment: Named,
  options: Omit<CandidateOptions, 'output'>,
): string[] | undefined {
  if (archive === beside(environment, options)[0] && archiveFolders(options).length === 1) return []
  const hash = HASHED.exec(archive)?.[1]
  if (hash === undefined) return undefined
  const candidates = candidatesWith(hash, environment, options)
  return candidates.includes(archive) ? candidates.slice(0, candidates.indexOf(archive)) : undefined
}

const HASHED = /-([0-9a-f]{12})\.[a-z.]+$/

interface Named {
  prefix: string
  real: string
  name: string
  kind: EnvironmentKind
}

function beside(environment: Named, { format = 'tar.zst' }: Pick<CandidateOptions, 'format'>): string[] {
  const { prefix, name, kind } = environment
  if (kind === 'venv' || kind === 'python') return []
  return [`${kind === 'pixi' ? pixiArchiveBase(environment) : join(dirname(prefix), name)}.${format}`]
}

/** Folders that are made for archives, each with its mode; others have to be there. */
export type FoldersToMake = ReadonlyMap<string, number>

/** Whoever may read an environment may read the archive beside it. */
export const foldersToMake = (environment: Named, options: FolderOptions): FoldersToMake =>
  new Map([
    ...ownFolders(options),
    ...(environment.kind === 'pixi' ? [[dirname(pixiArchiveBase(environment)), 0o777] as const] : []),
  ])

export const ownFolders = (options: FolderOptions): FoldersToMake =>
  new Map(archiveFolders(options).map((folder) => [folder, 0o700]))

type FolderOptions = Pick<CandidateOptions, 'archiveFolder' | 'env'>

function candidatesWith(hash: string, environment: Named, options: Omit<CandidateOptions, 'output'>): string[] {
  const { format = 'tar.zst' } = options
  const ending = `-${hash}.${format}`
  const name = collectedName(environment)
  const collected = archiveFolders(options).map((folder) =>
    join(folder, `${cutName(name, LONGEST_NAME - ending.length)}${ending}`),
  )
  return [...collected.slice(0, -1), ...beside(environment, options), ...collected.slice(-1)]
}

/** Nearly all virtual environments have the name `.venv`: what tells them apart for people is the project's. */
const collectedName = ({ kind, prefix, name }: Named): string =>
  kind === 'venv' ? [basename(dirname(prefix)), name.replace(/^\./, '')].filter(Boolean).join('-') : name

/** Folders for the archives of many environments: the configured one, if any, then the user's cache folder. */
export function archiveFolders({ archiveFolder, env }: FolderOptions): string[] {
  const configured = archiveFolder === undefined ? undefined : expandFolder(archiveFolder, env)
  return [...(configured && 'path' in configured ? [configured.path] : []), cacheFolder(env)]
}

/** Follows the XDG base directory specification: a relative path is ignored. */
function cacheFolder(env: CandidateOptions['env']): string {
  const given = env.XDG_CACHE_HOME
  const base = given?.startsWith('/') ? given : join(homeOf(env), '.cache')
  return join(base, 'conda-stage')
}

/**
 * The first candidate that can be written: nothing stands there, or one of our archives, and its folder takes a new file. That is
 * tried, because modes say nothing on a read-only mount or about root. Some folders are made; others have to
 * exist. `passedOver` says why earlier candidates can't be written.
 * @param outside the paths of the environment, which is never changed
 * @throws StageError ARCHIVE_UNWRITABLE, ARCHIVE_FOREIGN, NO_SPACE if there is none; it says what is wrong with the first.
 */
export async function chooseWritable(
  candidates: readonly string[],
  toMake: FoldersToMake,
  outside: readonly string[] = [],
): Promise<{ path: string; passedOver: { path: string; reason: string }[] }> {
  const failures: StageError[] = []
  for (const path of candidates) {
    try {
      assertNamed(path)
      await assertOutside(path, outside)
      const mode = toMake.get(dirname(path))
      if (mode !== undefined) await makeFolders(dirname(path), mode)
      await assertReplaceable(path)
      await tryToWrite(path)
      return { path, passedOver: failures.map(({ message }, at) => ({ path: candidates[at]!, reason: message })) }
    } catch (error) {
      const failure = asWriteFailure(error, path)
      // Whoever is to end looks for no other place.
      if (!(failure instanceof StageError) || isCancelled(failure)) throw failure
      failures.push(failure)
    }
  }
  throw failures[0] ?? new TypeError('no candidates')
}

/**
 * An archive in the environment would change it, and be packed with it the next time.
 * @throws StageError ARCHIVE_UNWRITABLE
 */
export async function assertOutside(path: string, environment: readonly string[]): Promise<void> {
  if (!(await isInside(dirname(path), environment))) return
  throw new StageError(
    'ARCHIVE_UNWRITABLE',
    `The archive ${path} can't be written: that is inside the environment, which is never changed`,
    { path, hint: 'Name another place with --output=FILE' },
  )
}

function assertNamed(path: string): void {
  if (!isMisread(path)) return
  throw new StageError('ARCHIVE_UNWRITABLE', `The archive ${path} can't be written: its path is not valid UTF-8`, {
    path,
    hint: 'Name another place with --output=FILE',
  })
}

async function tryToWrite(path: string): Promise<void> {
  const probe = temporaryName(path)
  const handle = await open(probe, 'wx', 0o600)
  try {
    await handle.close()
  } finally {
    await unlink(probe)
  }
}
