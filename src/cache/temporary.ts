import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { cutName } from '../model/file-names.ts'
import { ownIdentity, processFacts } from '../platform/process-identity.ts'
import { lstat, readdir, unlink } from '../platform/remote-fs.ts'
import { lockOf } from './lock.ts'

/** A packer writes some frames a second. One that has written nothing for this long is dead, or as good as dead. */
const DEAD_AFTER_MS = 10 * 60 * 1000

/** A new name in the folder of `path`: `.tmp.NAME.HOST-PID-RANDOM`. */
export function temporaryName(path: string): string {
  const { host, pid } = ownIdentity()
  return join(dirname(path), `${start(path)}${hostPart(host)}-${pid}-${randomBytes(4).toString('hex')}`)
}

/**
 * Removes the files of killed packers of this archive. Call it under the lock. Another packer may still be writing without the
 * lock: it may have lost it while its machine was suspended. So files that may be in use stay.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path)
  // By the file server's clock, as all that it notes of what is written. Ours, and another packer's, may be an hour off.
  const now = (await lstat(lockOf(path)).catch(() => undefined))?.ctimeMs
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start(path))) continue
    const match = /^(.+)-(\d+)-[0-9a-f]{8}$/.exec(name.slice(start(path).length))
    if (match && (await isDead(join(folder, name), { host: match[1]!, pid: match[2]!, now })))
      await unlink(join(folder, name)).catch(() => {})
  }
}

interface Packer {
  host: string
  pid: string
  now: number | undefined
}

async function isDead(path: string, { host, pid, now }: Packer): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined)
  if (!stat?.isFile()) return false
  if (now !== undefined && now - stat.mtimeMs > DEAD_AFTER_MS) return true
  const own = ownIdentity()
  // Without /proc nobody can tell.
  return own.started !== '' && host === hostPart(own.host) && processFacts(Number(pid)) === undefined
}

/** Cut, because the whole name has to fit into 255 bytes. So archives with very long names may share leftovers. */
const start = (path: string): string => `.tmp.${cutName(basename(path), 150)}.`

/** Kept short, because the whole name has to fit into 255 bytes. */
const hostPart = (host: string): string => host.replace(/[^\w.]/g, '_').slice(0, 40)
