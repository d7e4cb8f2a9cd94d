import { createHash, randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm, rmdir, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as v from 'valibot'
import { StageError } from '../errors.ts'
import { Identity } from '../platform/identity-schema.ts'
import { fateOf, ownIdentity, type ProcessIdentity } from '../platform/process-identity.ts'
import { NotRead, readLocal } from '../platform/read-small.ts'

export interface Turn {
  /** The local folder. */
  local: string
  /** What only one process of this user at a time does there. */
  what: string
  uid: number
  signal?: AbortSignal | undefined
  /** How long to wait for a living process. Then two do the same. Default: half an hour. */
  patienceMs?: number
  /** Called once, when another process is at it and we begin to wait. */
  onWait(other: ProcessIdentity): void
}

const START = '.conda-stage_turn-'
const NAME = /^\.conda-stage_turn-[0-9a-f]{16}(?:-\d+|\.[0-9a-f]{16})?$/

const POLL_MS = 100
const PATIENCE_MS = 30 * 60 * 1000
/** Renewed so often by a living process, for those that can't see it: in another container. */
const RENEW_MS = 10_000
const STALE_MS = 60_000
/** So many names that others have taken are passed over. */
const OTHER_NAMES = 8
const MOST_TRIES = 1000

/**
 * Has processes of one user on one node do something one after the other. Whenever another one has finished or died, `already` is
 * asked; what it returns is the result. If it returns undefined and it is our turn, `body` does it.
 *
 * A turn is a folder that holds one file, which names the process. It comes into being by a rename, which fails if there is one
 * with a file; and only the file of a process that is dead is removed, by its own name. So no two processes have the turn at once,
 * and a death is noticed at once.
 */
export async function inTurn<T>(
  turn: Turn,
  { already, body }: { already(): Promise<T | undefined>; body(): Promise<T> },
): Promise<T> {
  const begun = Date.now()
  for (let waited = false; ; waited = true) {
    const found = await already()
    if (found !== undefined) return found
    const isPatient = Date.now() - begun <= (turn.patienceMs ?? PATIENCE_MS)
    const taken: Taken = isPatient ? await take(turn) : { release: NO_TURN }
    if ('release' in taken) {
      try {
        // Another may have finished since we looked.
        return (await already()) ?? (await body())
      } finally {
        await taken.release()
      }
    }
    if (!waited) turn.onWait(taken.by)
    await untilFree(taken.path, turn, begun)
  }
}

/** Removes what a killed process left of a turn. Returns whether the name is one of a turn. */
export async function sweepTurn(local: string, name: string, uid: number): Promise<boolean> {
  if (!NAME.test(name)) return false
  const path = join(local, name)
  const { holder, isOurs } = await look(path, uid)
  if (isOurs && holder === undefined) await rmdir(path).catch(() => {})
  return true
}

type Taken = { release(): Promise<void> } | { by: ProcessIdentity; path: string }

async function take({ local, what, uid }: Turn): Promise<Taken> {
  const start = `${START}${createHash('sha256').update(`${uid} ${what}`).digest('hex').slice(0, 16)}`
  // Anybody may make a folder of that name in /tmp.
  for (let at = 0, tries = 0; at < OTHER_NAMES && tries < MOST_TRIES; tries++) {
    const path = join(local, at === 0 ? start : `${start}-${at}`)
    const { holder, isOurs } = await look(path, uid)
    if (holder) return { by: holder, path }
    if (!isOurs) at++
    else {
      const release = await put(path, join(local, start)).catch(() => NO_TURN)
      if (release) return { release }
    }
  }
  return { release: NO_TURN }
}

/** On a full disk, for instance. Then two may do the same; each does it whole. */
const NO_TURN = async (): Promise<void> => {}

/** Who has the turn. Files of dead processes are removed on the way. */
async function look(path: string, uid: number): Promise<{ isOurs: boolean; holder?: ProcessIdentity }> {
  const facts = await lstat(path).catch(() => undefined)
  if (facts === undefined) return { isOurs: true }
  if (!facts.isDirectory() || facts.uid !== uid) return { isOurs: false }
  for (const name of await readdir(path).catch(() => [])) {
    const holder = await holderIn(join(path, name))
    if (holder) return { isOurs: true, holder }
    await unlink(join(path, name)).catch(() => {})
  }
  return { isOurs: true }
}

/** undefined if that process is dead or has just given its turn back. */
async function holderIn(file: string): Promise<ProcessIdentity | undefined> {
  try {
    const holder = v.parse(Identity, JSON.parse((await readLocal(file, 10_000)).toString()))
    const fate = fateOf(holder)
    if (fate !== 'unknown') return fate === 'alive' ? holder : undefined
    return Math.abs(Date.now() - (await lstat(file)).mtimeMs) < STALE_MS ? holder : undefined
  } catch (error) {
    // In doubt it is alive. What can be read and makes no sense is not ours: each of ours is whole.
    if (error instanceof NotRead && error.kind === 'failed') throw error
    return undefined
  }
}

/** undefined: another was quicker. */
async function put(path: string, start: string): Promise<(() => Promise<void>) | undefined> {
  const nonce = randomBytes(8).toString('hex')
  const aside = `${start}.${nonce}`
  await mkdir(aside, { mode: 0o700 })
  try {
    await writeFile(join(aside, nonce), JSON.stringify(ownIdentity()), { mode: 0o600 })
    await rename(aside, path)
  } catch (error) {
    await rm(aside, { recursive: true, force: true })
    // The last one: a sweep took our folder for what a killed process has left.
    const expected = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM', 'EACCES', 'ENOENT']
    if (expected.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  const file = join(path, nonce)
  const renewal = setInterval(() => {
    const now = new Date()
    utimes(file, now, now).catch(() => {})
  }, RENEW_MS).unref()
  return async () => {
    clearInterval(renewal)
    await unlink(file).catch(() => {})
    await rmdir(path).catch(() => {})
  }
}

async function untilFree(
  path: string,
  { uid, signal, local, patienceMs = PATIENCE_MS }: Turn,
  begun: number,
): Promise<void> {
  while (Date.now() - begun <= patienceMs && (await look(path, uid)).holder) {
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch((cause: unknown) => {
      throw new StageError('CANCELLED', `Waiting for another conda-stage in ${local} was cancelled`, {
        path: local,
        cause,
      })
    })
  }
}
