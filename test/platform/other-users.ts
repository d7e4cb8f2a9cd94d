import { spawnSync } from 'node:child_process'

/** Two users of a node, by number: nothing needs to know their names. Only root can become them. */
export const [ALICE, MALLORY] = [54_321, 54_322]

export const NEEDS_ROOT = process.getuid?.() === 0 ? false : 'only root can become other users'

/** Goes in front of a command that is then run by that user, who has no groups but one of the same number. */
const asUser = (uid: number): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${uid}`,
  '--clear-groups',
  '--bounding-set=-all',
  '--',
]

/** The same for a program of this checkout, which may lie where only root can read. */
const asReader = (uid: number): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${uid}`,
  '--clear-groups',
  '--bounding-set=-all,+dac_read_search',
  '--inh-caps=-all,+dac_read_search',
  '--ambient-caps=-all,+dac_read_search',
  '--',
]

/** Lets another user run commands of a POSIX shell, with the arguments as `$1`, `$2`, ... Fails if a command does. */
export function shellOf(uid: number, script: string, ...args: string[]): string {
  return output([...asUser(uid), 'sh', '-euc', script, 'sh', ...args])
}

/** Runs the text of an ES module as another user, and returns what it printed. */
export function moduleOf(uid: number, code: string, ...args: string[]): string {
  return output([...asReader(uid), process.execPath, '--input-type=module', '-e', code, '--', ...args])
}

function output([program, ...args]: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program!, args, { encoding: 'utf8', cwd: '/' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout.trim()
}
