import { randomBytes } from 'node:crypto'
import { access, lstat, readdir, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ownIdentity } from '../platform/process-identity.ts'

/** A packer writes some frames a second; one that has written nothing for so long is dead or as good as dead. */
const DEAD_AFTER_MS = 10 * 60 * 1000

/** A new name in the folder of `path`: `.tmp.NAME.HOST-PID-RANDOM`. */
export function temporaryName(path: string): string {
  const { host, pid } = ownIdentity()
  return join(dirname(path), `${start(path)}${hostPart(host)}-${pid}-${randomBytes(4).toString('hex')}`)
}

/**
 * Removes what packers of this archive left that were killed. To be called under the lock. Even so a packer is given
 * the benefit of the doubt: it may have lost its lock while its machine was suspended, and still be writing.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start(path))) continue
    const match = /^(.+)-(\d+)-[0-9a-f]{8}$/.exec(name.slice(start(path).length))
    if (match && (await isDead(join(folder, name), match[1]!, match[2]!)))
      await unlink(join(folder, name)).catch(() => {})
  }
}

async function isDead(path: string, host: string, pid: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined)
  if (!stat?.isFile()) return false
  if (Date.now() - stat.mtimeMs > DEAD_AFTER_MS) return true
  if (host !== hostPart(ownIdentity().host)) return false
  return access(`/proc/${pid}`).then(
    () => false,
    () => true,
  )
}

/** Cut, since the whole name has to fit into 255 bytes. What another archive of so long a name has left may go as well. */
const start = (path: string): string => `.tmp.${cut(basename(path), 150)}.`

/** As many whole characters as fit into so many bytes. */
function cut(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  return Buffer.from(name)
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
}

/** Kept short, since the whole name has to fit into 255 bytes. */
const hostPart = (host: string): string => host.replace(/[^\w.]/g, '_').slice(0, 40)
