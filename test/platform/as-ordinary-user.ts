import { spawnSync } from 'node:child_process'

/**
 * Goes in front of a command. Takes away root's right to ignore permissions. The user stays the same, so that the command
 * can read this checkout wherever it lies. Empty for an ordinary user.
 */
export const UNPRIVILEGED: readonly string[] =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search,-fowner,-fsetid', '--'] : []

/** Runs the text of an ES module that way, and returns what it printed. */
export function asOrdinaryUser(code: string, args: string[] = []): string {
  const command = [...UNPRIVILEGED, process.execPath, '--input-type=module', '-e', code, '--', ...args]
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout.trim()
}
