import { readLease } from './lease.ts'

/** Stands in the place of what only the process itself knows. */
const UNKNOWN = '\u0001'

/**
 * The lease of another process that runs on this machine for the same user and original, as JSON without its number and its start:
 * what stands before, between and behind these two.
 * @param file a lease that a process of the same kind holds
 * @returns undefined if that lease is gone
 */
export async function wordOf(file: string): Promise<[string, string, string] | undefined> {
  const lease = (await readLease(file))?.lease
  if (lease === undefined) return undefined
  const { holder, original, bound, keepMinutes } = lease
  const { host, boot } = holder
  const [{ pidNamespace } = { pidNamespace: '' }] = holder.processes
  const processes = [{ host, boot, pidNamespace, pid: UNKNOWN, started: UNKNOWN }]
  const word = { holder: { kind: 'session', host, boot, processes }, original, bound, keepMinutes }
  const [before, between, after] = JSON.stringify(word)
    .replace(`"\\u0001"`, UNKNOWN)
    .replaceAll('\\u0001', UNKNOWN)
    .split(UNKNOWN)
  return [before!, between!, after!]
}
