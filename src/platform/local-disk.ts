import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type ErrorCode, StageError } from '../errors.ts'
import { isMisread } from '../model/file-names.ts'
import { errnoOf, meaningOf } from './errno.ts'
import { isBelow, isInside } from './inside.ts'
import { jobId } from './job.ts'
import { type Candidate, localCandidates, type Preference } from './local-candidates.ts'
import { isNetwork, isNetworkMagic, type Mount, mountOf, parseMountInfo, readMountInfo } from './mounts.ts'
import { callsFor } from './prompt-calls.ts'
import { mkdir, readdir, realpath, rmdir, stat } from './remote-fs.ts'
import { availableRoom, ROOM_HINT, type Room, shortage } from './room.ts'
import { type Exposure, followPath } from './safe-path.ts'

export interface LocalRequest extends Preference {
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  uid: number
  /** `--path`: this folder or an error, never another one. */
  path?: string | undefined
  needed: Room
  /** Only look: a folder that was made for the look is removed again. */
  dryRun?: boolean
  /** The mounts of this machine; by default as the kernel reports them now. */
  mounts?: readonly Mount[]
  /** Folders to try if none is named; by default those of `localCandidates`. */
  candidates?: readonly Candidate[]
  /** No folder in these: the paths of the original, which is never changed. */
  outside?: readonly string[]
}

/** A folder on local disk that this user may write to, with room. */
export interface LocalFolder {
  /** Absolute, as it was named. */
  path: string
  /** The same with symbolic links resolved. This is the path that was checked. */
  real: string
  source: string
  /** The room that this user may still fill. */
  available: Room
  /** True if `--path` named a missing folder and we made it. It stays when the stage is removed. */
  created: boolean
  /** The unsuitable candidates before it, with the reasons. */
  skipped: Skipped[]
}

interface Skipped extends Candidate {
  code: ErrorCode
  reason: string
}

/**
 * Finds the local folder for a stage: the one that the user named, else the first suitable candidate.
 * @throws StageError TARGET_UNWRITABLE, TARGET_NETWORK, TARGET_UNSAFE, TARGET_NOEXEC, NO_SPACE or NO_INODES for a named
 *   folder; otherwise NO_LOCAL_DISK, or NO_SPACE or NO_INODES if a candidate lacked only room.
 */
export async function findLocalFolder(request: LocalRequest): Promise<LocalFolder> {
  const mounts = request.mounts ?? parseMountInfo(readMountInfo())
  const named = namedFolder(request)
  if (named !== undefined) return inspectNamed(named, request, mounts)
  const candidates = request.candidates ?? localCandidates(request.env, await readdir('/').catch(() => []), request)
  const skipped: Skipped[] = []
  for (const candidate of candidates) {
    const { unusable } = candidate
    const found = unusable === undefined ? await inspect(candidate.path, request, mounts) : unnamed(unusable)
    if ('real' in found) return { ...candidate, ...found, created: false, skipped }
    skipped.push({ ...candidate, ...found })
  }
  throw nothingFound(skipped)
}

/** All folders in which this user's stages may be, best first, whatever room they have. None is made. */
export async function suitableFolders(
  request: Omit<LocalRequest, 'needed'>,
): Promise<{ path: string; real: string }[]> {
  const mounts = request.mounts ?? parseMountInfo(readMountInfo())
  const named = namedFolder({ ...request, needed: NO_ROOM })
  const candidates = named ? [named] : localCandidates(request.env, await readdir('/').catch(() => []), request)
  const found = new Map<string, { path: string; real: string }>()
  for (const { path, unusable } of candidates) {
    const looked = unusable === undefined ? await inspect(path, { ...request, needed: NO_ROOM }, mounts) : undefined
    if (looked && 'real' in looked && !found.has(looked.real)) found.set(looked.real, { path, real: looked.real })
  }
  return [...found.values()]
}

/** Whether a local folder is one that the scheduler made for this job, so that no other job sees it. */
export function belongsToJob({ real }: { real: string }, env: LocalRequest['env']): boolean {
  const id = jobId(env)
  if (id === undefined) return false
  // Slurm's job_container/tmpfs mounts `BASE/JOB/.JOB` on /tmp.
  const mount = mountOf(real, parseMountInfo(readMountInfo()))
  const inside = `${mount?.root ?? ''}${real}`.split(/[/.]/)
  const named = ['SLURM_TMPDIR', 'PBS_JOBFS', 'LSF_JOB_TMPDIR'].map((name) => env[name])
  return inside.includes(id) || named.includes(real)
}

const NO_ROOM: Room = { bytes: 0, inodes: 0 }

/** Type of the file system that holds a path (with its symbolic links resolved); undefined if it is on a network. */
export async function localFileSystem(
  real: string,
  mounts: readonly Mount[] = parseMountInfo(readMountInfo()),
): Promise<string | undefined> {
  const mount = mountOf(real, mounts)
  if (mount) return isNetwork(mount.fsType) ? undefined : mount.fsType
  return isNetworkMagic((await availableRoom(real)).type) ? undefined : 'of this machine'
}

function namedFolder({ path, env, cwd }: LocalRequest): Candidate | undefined {
  if (path !== undefined) return { path: resolve(cwd, path), source: '--path' }
  if (env.CONDA_STAGE_PATH) return { path: resolve(cwd, env.CONDA_STAGE_PATH), source: 'CONDA_STAGE_PATH' }
  return undefined
}

async function inspectNamed(named: Candidate, request: LocalRequest, mounts: readonly Mount[]): Promise<LocalFolder> {
  // Making a folder there would be a change, too.
  const isWithin = await isInside(named.path, request.outside ?? [])
  const created = !isWithin && (await makeMissing(named))
  const found = isWithin ? withinOriginal : await inspect(named.path, request, mounts)
  const useful = 'real' in found && !request.dryRun
  if (created && !useful) await rmdir(named.path)
  if ('real' in found) return { ...named, ...found, created, skipped: [] }
  throw new StageError(found.code, `${named.path} (from ${named.source}) ${found.reason}`, {
    path: named.path,
    hint: found.hint ?? HINTS[found.code] ?? 'Name another folder on local disk with --path or CONDA_STAGE_PATH.',
  })
}

/** Makes the last folder of the path. Only the last one, so that a mistyped path is an error and not a new tree. */
async function makeMissing({ path, source }: Candidate): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST' || (await exists(path))) return false
    throw new StageError(
      'TARGET_UNWRITABLE',
      `${path} (from ${source}) can't be created: ${dirname(path)} ${explain(cause)}`,
      {
        path,
        hint: 'Name a folder on local disk that you can write to with --path or CONDA_STAGE_PATH.',
        cause,
      },
    )
  }
}

type Finding = { real: string; available: Room } | { code: ErrorCode; reason: string; hint?: string }

const withinOriginal: Finding = {
  code: 'TARGET_UNWRITABLE',
  reason: 'is inside the environment, which is never changed',
}

const unnamed = (reason: string): Finding => ({ code: 'TARGET_UNWRITABLE', reason })

async function inspect(
  path: string,
  { uid, needed, outside = [] }: Pick<LocalRequest, 'uid' | 'needed' | 'outside'>,
  mounts: readonly Mount[],
): Promise<Finding> {
  try {
    const { real, exposed } = await followPath(path, uid, mounts)
    const calls = callsFor(real, mounts)
    if ([path, real].some((each) => isBelow(each, outside))) return withinOriginal
    const odd = [path, real].find((each) => each.includes(':') || isMisread(each))
    if (odd !== undefined) return { code: 'TARGET_UNWRITABLE', reason: whyOdd(odd) }
    // Before the mounts are inspected, because this makes an automounter mount.
    const facts = await calls.stat(real)
    if (!facts.isDirectory()) return { code: 'TARGET_UNWRITABLE', reason: 'is not a folder' }
    const available = await availableRoom(real, calls)
    const mount = mountOf(real, mounts)
    if (mount === undefined ? isNetworkMagic(available.type) : isNetwork(mount.fsType))
      return {
        code: 'TARGET_NETWORK',
        reason: `is on a network file system (${mount?.fsType ?? `type ${available.type}`})`,
      }
    if (mount?.options.includes('noexec'))
      return { code: 'TARGET_NOEXEC', reason: "is mounted noexec: programs can't run from there" }
    if (exposed !== undefined) return unsafe(exposed, real)
    await calls.access(real, constants.W_OK | constants.X_OK)
    return shortage(needed, available) ?? { real, available }
  } catch (error) {
    // A link may lead to a path that can't be followed.
    const real = await realpath(path).catch(() => path)
    return { code: 'TARGET_UNWRITABLE', reason: isMisread(real) ? whyOdd(real) : explain(error) }
  }
}

const whyOdd = (path: string): string =>
  path.includes(':')
    ? `can't be used: PATH can't hold a folder with a colon in its path`
    : `is not valid UTF-8: ${path}`

/** Other users could put a copy of their own in the place of ours. */
function unsafe({ path, what, remedy }: Exposure, real: string): Finding {
  return {
    code: 'TARGET_UNSAFE',
    reason: path === real ? what : `is not safe from other users: ${path} ${what}`,
    hint: `Name a folder of your own with --path or CONDA_STAGE_PATH${remedy ? `, or have that corrected: ${remedy}` : ''}.`,
  }
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  NO_SPACE: ROOM_HINT,
  NO_INODES: ROOM_HINT,
}

/** If a candidate lacked only room, that is the message; the reasons of all follow. */
function nothingFound(skipped: Skipped[]): StageError {
  const tried = skipped.map(({ path, source, reason }) => `${path} (${source}) ${reason}`)
  const full = skipped.find(({ code }) => code === 'NO_SPACE' || code === 'NO_INODES')
  if (full !== undefined)
    return new StageError(full.code, `${full.path} ${full.reason}`, {
      path: full.path,
      lines: ['Folders tried:', ...tried],
      hint: ROOM_HINT,
    })
  return new StageError('NO_LOCAL_DISK', 'No suitable folder on local disk:', {
    lines: tried,
    hint: 'Name a folder that you can write to with --path or CONDA_STAGE_PATH.',
  })
}

function explain(error: unknown): string {
  const code = errnoOf(error)
  if (code === undefined) return `can't be used: ${String(error)}`
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'EROFS') return 'is on a read-only file system'
  if (code === 'EACCES' || code === 'EPERM') return 'is not writable for you'
  if (code === 'ENOTDIR') return 'is not a folder'
  return `can't be used: ${meaningOf(code)}`
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
