import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Two users of a node, by number: nothing needs to know their names. Only root can become them. */
export const [ALICE, MALLORY] = [54_321, 54_322]

export const NEEDS_ROOT = process.getuid?.() === 0 ? false : 'only root can become other users'

interface User {
  uid: number
  /** Besides the one of the same number. */
  groups?: readonly number[]
}

/**
 * Goes in front of a command that is then run by that user.
 * @param kept capabilities of root
 */
function as({ uid, groups = [] }: User, kept = ''): string[] {
  const rights = ['--bounding-set', '--inh-caps', '--ambient-caps'].map((set) => `${set}=-all${kept}`)
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, `--groups=${[uid, ...groups].join(',')}`, ...rights, '--']
}

/** Lets another user run commands of a POSIX shell, with the arguments as `$1`, `$2`, ... Fails if the last command does. */
export function shellOf(user: User, script: string, ...args: string[]): string {
  return output([...as(user), 'sh', '-uc', script, 'sh', ...args])
}

/** Runs the text of an ES module as another user, and returns what it printed. */
export const moduleOf = (uid: number, code: string, ...args: string[]): string => output(readerOf(uid, code, args))

/** The same on a node with these lines in /etc/passwd and /etc/group. */
export function moduleAmong(
  accounts: { passwd: string; group: string },
  uid: number,
  code: string,
  ...args: string[]
): string {
  const script = `mount -t tmpfs -o mode=755 tmpfs /mnt
    for file in passwd group; do printf %s "$1" > /mnt/$file; mount --bind /mnt/$file /etc/$file; shift; done; exec "$@"`
  return output([...IN_MOUNTS, script, 'sh', accounts.passwd, accounts.group, ...readerOf(uid, code, args)])
}

/** The same in a user namespace in which only that user has a number. Our sources are in /mnt/src there. */
export function moduleInNamespace(uid: number, code: string, ...args: string[]): string {
  const script = `mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/src; mount --bind "$1" /mnt/src; touch /mnt/node; mount --bind "$2" /mnt/node; shift 2; exec "$@"`
  const sources = fileURLToPath(new URL('../../src', import.meta.url))
  const command = ['unshare', '-U', '--map-current-user', ...node('/mnt/node', code, args)]
  return output([...IN_MOUNTS, script, 'sh', sources, process.execPath, ...as({ uid }), ...command])
}

const IN_MOUNTS = ['unshare', '-m', 'sh', '-euc']

/** Goes in front of a program of this checkout, which may lie where only root can read. */
export const readerAs = (uid: number): string[] => as({ uid }, ',+dac_read_search')

const readerOf = (uid: number, code: string, args: string[]) => [
  ...readerAs(uid),
  ...node(process.execPath, code, args),
]

const node = (path: string, code: string, args: string[]) => [path, '--input-type=module', '-e', code, '--', ...args]

function output([program, ...args]: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program!, args, { encoding: 'utf8', cwd: '/' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout.trim()
}
