import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { StageError } from '../errors.ts'
import { byText } from '../model/order.ts'
import { errnoOf, withPath } from '../platform/errno.ts'
import { Identity } from '../platform/identity-schema.ts'
import type { Job } from '../platform/job.ts'
import { fateOf, ownIdentity } from '../platform/process-identity.ts'
import { NotRead, readLocal } from '../platform/read-small.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import { isListed, isRunningHere } from './job.ts'
import { uniqueName } from './names.ts'
import type { Holder } from './users.ts'

const HolderInFile: v.GenericSchema<unknown, Holder> = v.object({
  kind: v.picklist(['shell', 'session', 'job', 'login', 'programs']),
  host: v.string(),
  boot: v.string(),
  processes: v.array(Identity),
  job: v.optional(v.object({ variable: v.string(), id: v.string() })),
})

const Lease = v.object({
  holder: HolderInFile,
  /** ISO 8601. What a wrapper leaves has none: the shell can't tell the time, the file can. */
  since: v.optional(v.string()),
  /** The original prefix, as this user of the copy named it. */
  original: v.string(),
  /** Whether the copy is given up when the session leaves it or ends. */
  bound: v.boolean(),
  /** How long the copy stands when nobody uses it any more; null: until somebody removes it. */
  keepMinutes: v.nullable(v.number()),
  /** On a node of several: the call that put the copy there. */
  call: v.optional(v.string()),
  /** In the session that called: on which nodes its call put the copy, and how they are reached. */
  nodes: v.optional(v.object({ call: v.string(), launcher: v.string(), names: v.array(v.string()) })),
  /** What activate/ needs to restore the session; opaque here. */
  activation: v.optional(v.unknown()),
  /** The same for the session's conda, if that runs from this copy. */
  conda: v.optional(v.unknown()),
  /** Of a virtual environment whose base is staged, too: the base's copy, and the lease of it that goes with this one. */
  base: v.optional(v.object({ prefix: v.string(), lease: v.string() })),
  /** Another copy that this user got along with this one, and which lease of it: of the base installation, for instance. */
  companion: v.optional(v.object({ prefix: v.string(), lease: v.string() })),
})

// Calls on local disk are synchronous here: a quarter of the time of a call that joins went into handing them to threads.

/** Says who uses a copy. Each is a file in the folder `.leases` beside the copy, so no lease can spoil another one. */
export type Lease = v.InferOutput<typeof Lease> & { since: string }

export interface HeldLease {
  file: string
  lease: Lease
  /** Why the file can't be read. Then somebody unknown holds the lease, who may use the copy. */
  unread?: StageError
}

/** Bytes. It holds the session's variables, which the kernel bounds to 2 MB altogether. */
const MOST = 8 * 1024 * 1024

const NAME = /^[0-9a-f]{16}\.json$/

/** Where the leases of a stage are, and the announcements of its removal. */
export const folderOf = (stage: string): string => `${stage}/.leases`

/** Returns the lease's file. @throws ENOENT if there is no such stage any more */
export async function addLease(stage: string, lease: Lease): Promise<string> {
  const folder = folderOf(stage)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  const file = join(folder, `${uniqueName()}.json`)
  await writeLease(file, lease)
  return file
}

/** Writes aside and renames, so that a lease is complete or absent. */
export async function writeLease(file: string, lease: Lease): Promise<void> {
  const aside = `${file}.new`
  try {
    writeFileSync(aside, JSON.stringify(lease), { mode: 0o600 })
    renameSync(aside, file)
  } catch (error) {
    await unlink(aside).catch(() => {})
    throw withPath(error, file)
  }
}

/** Returns false if it was gone already. */
export async function removeLease(file: string): Promise<boolean> {
  return await unlink(file).then(
    () => true,
    async (error: NodeJS.ErrnoException) => {
      if (errnoOf(error) === 'ENOENT') return false
      // Whatever keeps it there (EBUSY, a bad block): under another name it is no lease.
      await rename(file, `${file}.gone`)
      return true
    },
  )
}

/**
 * The leases of a stage, oldest first, those of dead holders included. A file that makes no sense is no lease. One that can't be
 * read counts as that of somebody who is there.
 */
export async function leasesOf(stage: string): Promise<HeldLease[]> {
  const folder = folderOf(stage)
  let names: string[] = []
  try {
    names = readdirSync(folder).filter((name) => NAME.test(name))
  } catch (error) {
    if (!isGone(error)) return [unread(folder, notRead(folder, error))]
  }
  const leases = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name)
      return await readLease(file).catch((error: unknown) => unread(file, error))
    }),
  )
  return leases.filter((lease) => lease !== undefined).sort((a, b) => byText(a.lease.since, b.lease.since))
}

/**
 * undefined if there is none, or one that makes no sense.
 * @throws StageError UNREADABLE
 */
export async function readLease(file: string): Promise<HeldLease | undefined> {
  try {
    const lease = v.parse(Lease, JSON.parse((await readOwn(file)).toString()))
    return { file, lease: { ...lease, since: lease.since ?? statSync(file).mtime.toISOString() } }
  } catch (error) {
    if (error instanceof NotRead && error.kind === 'failed') throw notRead(file, error.cause)
    return undefined
  }
}

/** A wrapper writes with the umask of its program, which may close the file even to us. */
async function readOwn(file: string): Promise<Buffer> {
  try {
    return await readLocal(file, MOST)
  } catch (error) {
    if (!(error instanceof NotRead) || errnoOf(error.cause) !== 'EACCES' || !isOpened(file)) throw error
    return await readLocal(file, MOST)
  }
}

/** False if the file belongs to somebody else. */
function isOpened(file: string): boolean {
  try {
    chmodSync(file, 0o600)
    return true
  } catch {
    return false
  }
}

const notRead = (path: string, error: unknown): unknown =>
  unreadable(
    path,
    error,
    'It says who uses a copy, so that copy stays. If nobody uses it any more, remove what is named here.',
  )

/** @throws the error, if it says nothing about the file */
function unread(path: string, error: unknown): HeldLease {
  if (!(error instanceof StageError)) throw error
  const { host, boot } = ownIdentity()
  const since = lstatSync(path, { throwIfNoEntry: false })?.mtime.toISOString() ?? ''
  const holder: Holder = { kind: 'login', host, boot, processes: [] }
  return { file: path, lease: { holder, since, original: '', bound: false, keepMinutes: 0 }, unread: error }
}

/** Whether the holder may still use the copy. In doubt it may: a process in another container can't be seen from here. */
export function isLive({ lease: { holder } }: HeldLease): boolean {
  const job = holdingJob(holder)
  return isOfProcess(holder) || (job !== undefined && isRunningHere(job))
}

/** The oldest of each user: a script may have asked for the path of its copy a hundred times. */
export function oneOfEachUser(leases: readonly HeldLease[]): HeldLease[] {
  const found = new Map<string, HeldLease>()
  for (const held of leases) {
    const user = userOf(held.lease.holder)
    if (!found.has(user)) found.set(user, held)
  }
  return [...found.values()]
}

export const isSameUser = (a: HeldLease, b: HeldLease): boolean => userOf(a.lease.holder) === userOf(b.lease.holder)

/** The shell itself rather than a subshell that got the path for it; otherwise the program that called. */
function userOf({ kind, processes, job, host }: Holder): string {
  const user = kind === 'shell' ? processes.at(-1) : processes[0]
  return JSON.stringify(user ? [user.host, user.boot, user.pid, user.started] : [host, job?.id])
}

/** The live ones. The scheduler is asked about a job of which this node knows nothing: it may be between two steps. */
export async function liveAmong(leases: readonly HeldLease[]): Promise<HeldLease[]> {
  const live = await Promise.all(leases.map(async (held) => isLive(held) || (await isOfListedJob(held))))
  return leases.filter((_, at) => live[at])
}

/** Whether one of them is live. No scheduler is asked if this node knows. */
export async function someLive(leases: readonly HeldLease[]): Promise<boolean> {
  if (leases.some(isLive)) return true
  for (const held of leases) if (await isOfListedJob(held)) return true
  return false
}

async function isOfListedJob({ lease: { holder } }: HeldLease): Promise<boolean> {
  const job = holdingJob(holder)
  return job !== undefined && (await isListed(job))
}

function isOfProcess({ kind, processes, boot, host }: Holder): boolean {
  const self = ownIdentity()
  if (processes.length > 0 || kind === 'job') return processes.some((process) => fateOf(process, self) !== 'ended')
  return boot === self.boot || host !== self.host
}

/** After a boot, the numbers of jobs may have been given again. */
const holdingJob = ({ kind, job, boot }: Holder): Job | undefined =>
  kind === 'job' && boot === ownIdentity().boot ? job : undefined
