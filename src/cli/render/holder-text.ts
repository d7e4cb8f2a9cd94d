import type { Holder } from '../../leases/users.ts'

/** For people, as the subject of a sentence: `process 123`. */
export function holderText({ kind, processes, job }: Holder): string {
  const pids = processes.map(({ pid }) => pid)
  if (kind === 'job' && job) return `job ${job.id}`
  if (kind === 'login') return pids.length > 0 ? `a login session (process ${pids.at(-1)})` : 'somebody unknown'
  return `process ${pids.join(', ')}`
}

/** The time of day, and the date if that is not today's. */
export function clock(time: number): string {
  const at = new Date(time)
  const hour = at.toTimeString().slice(0, 5)
  return at.toDateString() === new Date().toDateString() ? hour : `${at.toISOString().slice(0, 10)} ${hour}`
}
