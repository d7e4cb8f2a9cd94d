import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import * as v from 'valibot'
import { errnoOf } from '../platform/errno.ts'
import { Identity } from '../platform/identity-schema.ts'
import { isDead, ownIdentity } from '../platform/process-identity.ts'
import { lstat, open, readdir, rmdir, unlink, utimes, writeFile } from '../platform/remote-fs.ts'

/** Who holds the lock, in a file in its folder. */
const HOLDER = 'holder.json'
/** Larger than any of ours. */
const MOST_BYTES = 4096

const Holder = v.object({ token: v.string(), process: Identity })

/** What stands in the lock's place. */
export interface SeenLock {
  isFolder: boolean
  uid: number
  /** Changes when the lock is renewed, or taken by another packer. */
  mark: string
  /** Its packer has certainly ended. */
  isDead: boolean
  /** Its packer is about to write who it is, has been killed while it gave the lock back, or belongs to an older version. */
  isNobodys: boolean
}

/** Undefined if nothing is there any more. */
export async function lookAtLock(lock: string): Promise<SeenLock | undefined> {
  const facts = await factsOf(lock)
  if (facts === undefined) return undefined
  const holder = await readHolder(lock)
  return {
    isFolder: facts.isDirectory(),
    uid: facts.uid,
    mark: `${facts.ino} ${facts.mtimeMs} ${holder?.token}`,
    isDead: holder !== undefined && isDead(holder.process),
    isNobodys: holder === undefined,
  }
}

/**
 * Marks a lock that we have just made as ours, and renews it until it is released.
 * @returns releases it, unless somebody else has taken it meanwhile
 * @throws ENOENT if it is gone
 */
export async function holdLock(lock: string, renewMs: number): Promise<() => Promise<void>> {
  const token = randomBytes(8).toString('hex')
  try {
    await writeFile(`${lock}/${HOLDER}`, JSON.stringify({ token, process: ownIdentity() }), { flag: 'wx' })
  } catch (error) {
    // A full disk may have taken the name and not the content.
    if (errnoOf(error) !== 'ENOENT') await remove(lock).catch(() => {})
    throw error
  }
  const isOurs = async (): Promise<boolean> => (await readHolder(lock))?.token === token
  const renew = async (): Promise<void> => {
    if (!(await isOurs())) return clearInterval(timer)
    const now = new Date()
    await utimes(lock, now, now).catch(() => {})
  }
  const timer = setInterval(renew, renewMs).unref()
  return async () => {
    clearInterval(timer)
    // A look that is under way when the process is stopped is given up at once. One that begins then has a second.
    for (let tries = 0; tries < 2; tries++) if ((await isOurs()) && (await isRemoved(lock))) return
  }
}

const isRemoved = (lock: string): Promise<boolean> =>
  remove(lock).then(
    () => true,
    () => false,
  )

/**
 * Removes the lock of a dead packer, unless it has changed since it was seen. Two who do so at the same time may take each
 * other's new lock; then both pack.
 * @returns false if that is not possible
 */
export async function removeLock(lock: string, seen: SeenLock): Promise<boolean> {
  const now = await lookAtLock(lock)
  if (now?.mark !== seen.mark) return true
  try {
    await remove(lock)
    return true
  } catch {
    return false
  }
}

async function remove(lock: string): Promise<void> {
  const names = await readdir(lock).catch(() => [])
  // With anything else in it, it is not ours to remove, and rmdir fails.
  if (names.join() === HOLDER) await unlink(`${lock}/${HOLDER}`).catch(() => {})
  await rmdir(lock).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

/** NFS may answer lstat from memory for a minute, but asks the server when a folder is opened. */
async function factsOf(lock: string): Promise<Stats | undefined> {
  const handle = await open(lock, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(
    () => undefined,
  )
  try {
    return await (handle?.stat() ?? lstat(lock))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  } finally {
    await handle?.close()
  }
}

/** Undefined if there is none: the packer may be about to write it, or belong to an older version. */
async function readHolder(lock: string): Promise<v.InferOutput<typeof Holder> | undefined> {
  try {
    // Whoever made the folder may have put anything there.
    const handle = await open(`${lock}/${HOLDER}`, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!(await handle.stat()).isFile()) return undefined
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0)
      const parsed = v.safeParse(Holder, JSON.parse(buffer.toString('utf8', 0, bytesRead)))
      return parsed.success ? parsed.output : undefined
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}
