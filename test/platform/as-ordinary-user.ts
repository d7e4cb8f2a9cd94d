import { spawnSync } from 'node:child_process'

/**
 * In front of a command: takes root's right to pass over permissions, which would hide what they forbid. It stays the
 * same user, who may read this checkout wherever it lies; for an ordinary user it is nothing.
 */
export const UNPRIVILEGED: readonly string[] =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search,-fowner,-fsetid', '--'] : []

/** Runs an ES module's text so, and gives what it printed. */
export function asOrdinaryUser(code: string, args: string[] = []): string {
  const command = [...UNPRIVILEGED, process.execPath, '--input-type=module', '-e', code, '--', ...args]
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout.trim()
}
