import { readFile } from 'node:fs/promises'
import { accountOf, readAccounts } from './accounts.ts'

/** The files that are read; other ones for tests. */
export interface Accounts {
  passwd: string
  group: string
}

const SYSTEM: Accounts = { passwd: '/etc/passwd', group: '/etc/group' }

/**
 * Whether only this user belongs to a group. Many distributions give each user a group of the user's name, and let it write
 * to the user's folders. A directory service does not tell who belongs to a group as their first one, so only a group of that
 * name counts, and only if no other member is listed and the node's files know nobody else whose first group it is. Root's
 * group counts, too, unless somebody is listed.
 */
export async function isPrivateGroup(gid: number, uid: number, files: Accounts = SYSTEM): Promise<boolean> {
  const [passwd, groups] = await Promise.all([files.passwd, files.group].map(readAccounts))
  const group = await accountOf(gid, 'group', groups!)
  const user = await accountOf(uid, 'passwd', passwd!)
  if (group === undefined) return false
  const [name, , , members = ''] = group
  if (members.split(',').some((member) => member !== '' && member !== 'root' && member !== user?.[0])) return false
  // Some distributions list accounts of the system there, such as `sync`, which nobody is.
  if (gid === 0) return await hasRoot()
  if (user === undefined || name !== user[0]) return false
  return passwd!.every(([, , other, primary]) => primary !== String(gid) || other === String(uid) || other === '0')
}

/** Whether group 0 is root's: a user namespace may give that number to any group. */
async function hasRoot(): Promise<boolean> {
  const map = await readFile('/proc/self/gid_map', 'utf8').catch(() => '')
  const [inside, , count] = map.trim().split(/\s+/)
  return map.trim() === '' || (inside === '0' && Number(count) >= 65_536)
}
