import { readFileSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { hasAccessList } from './access-list.ts'
import { type Mount, parseMountInfo, readMountInfo } from './mounts.ts'
import { isPrivateGroup } from './private-group.ts'
import { callsFor } from './prompt-calls.ts'

/** What on a path lets another user put something else there. */
export interface Exposure {
  /** The folder or link. */
  path: string
  /** A predicate for it. */
  what: string
  /** How its owner can mend it. */
  remedy?: string
}

/** As the kernel. */
const MOST_LINKS = 40

/**
 * Follows a path from the root as the kernel does. Whoever may rename things in one of the folders on the way, or replace a
 * link, can put a folder of their own in the place of the last one, and run code as those who use it.
 * @param path absolute
 * @param uid this user, or this one and others: they and root may change what lies there
 * @returns the path without symbolic links, and the first weak point on the way to it
 * @throws as lstat
 */
export async function followPath(
  path: string,
  uid: number | readonly number[],
  mounts: readonly Mount[] = parseMountInfo(readMountInfo()),
): Promise<{ real: string; exposed: Exposure | undefined }> {
  const root = await callsFor('/', mounts).lstat('/')
  const users = [uid].flat()
  const trusted = new Set([...users, 0, root.uid, ...unmappedUid()])
  let [real, facts, links] = ['/', root, 0]
  let exposed = await folderExposure(real, facts, { users, trusted })
  const names = path.split('/')
  while (names.length > 0) {
    const name = names.shift()!
    if (name === '' || name === '.') continue
    const next = name === '..' ? dirname(real) : join(real, name)
    const calls = callsFor(next, mounts)
    const found = await calls.lstat(next)
    if (!found.isSymbolicLink()) {
      exposed ??= await folderExposure(next, found, { users, trusted })
      ;[real, facts] = [next, found]
      continue
    }
    if (++links > MOST_LINKS) throw Object.assign(new Error(`ELOOP: ${path}`), { code: 'ELOOP' })
    // In a sticky folder, the owner of a link may replace it.
    if (!trusted.has(found.uid) && (facts.mode & 0o022) !== 0) exposed ??= { path: next, what: belongsTo(found) }
    const target = await calls.readlink(next)
    names.unshift(...target.split('/'))
    if (target.startsWith('/')) [real, facts] = ['/', root]
  }
  return { real, exposed }
}

async function folderExposure(
  path: string,
  facts: Stats,
  { users, trusted }: { users: readonly number[]; trusted: ReadonlySet<number> },
): Promise<Exposure | undefined> {
  if (!trusted.has(facts.uid)) return { path, what: belongsTo(facts) }
  // With the sticky bit, only the owners of a folder and of a thing in it can rename the thing.
  if ((facts.mode & 0o1000) !== 0) return undefined
  const mode = `(mode ${(facts.mode & 0o7777).toString(8).padStart(4, '0')})`
  if ((facts.mode & 0o002) !== 0)
    return {
      path,
      what: `is writable for everybody and has no sticky bit ${mode}`,
      remedy: `chmod o-w '${path}' (or chmod +t)`,
    }
  if ((facts.mode & 0o020) === 0) return undefined
  const remedy = `chmod g-w '${path}'`
  const isOfOne = await Promise.all(users.map((user) => isPrivateGroup(facts.gid, user)))
  if (!isOfOne.includes(true))
    return { path, what: `is writable for its group ${facts.gid}, which may have other members ${mode}`, remedy }
  // The group's bits are then the most that any entry of the list allows.
  if (await hasAccessList(path)) return { path, what: `is writable for those on its access list ${mode}`, remedy }
  return undefined
}

const belongsTo = ({ uid }: Stats): string => `belongs to another user (uid ${uid})`

/**
 * In a user namespace, files of users who have no number in it show this one: root's of the node, too, whom we can't do
 * without. Empty where everybody has a number.
 */
function unmappedUid(): number[] {
  const map = textOf('/proc/self/uid_map') ?? ''
  if (map.trim() === '' || /^\s*0\s+0\s+4294967295\s*$/.test(map)) return []
  return [Number(textOf('/proc/sys/kernel/overflowuid') ?? '65534')]
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
