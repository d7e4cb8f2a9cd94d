import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { monotonicMs } from '../platform/clock.ts'
import type { Job } from '../platform/job.ts'

/**
 * Whether something of the job runs on this node: a process of this user that carries the job's number, or one of Slurm's own
 * processes for the job's steps, whose title names it.
 */
export function isRunningHere(job: Job): boolean {
  try {
    return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && (isStep(pid, job) || isOfJob(pid, job)))
  } catch {
    return true // without /proc nothing can be known
  }
}

/** Slurm titles them `slurmstepd: [JOB.STEP]`. Everybody may read that. */
const isStep = (pid: string, { variable, id }: Job): boolean =>
  variable === 'SLURM_JOB_ID' && textOf(`/proc/${pid}/cmdline`).startsWith(`slurmstepd: [${id}.`)

/** Of other users' processes the variables can't be read. */
const isOfJob = (pid: string, { variable, id }: Job): boolean =>
  `\0${textOf(`/proc/${pid}/environ`)}`.includes(`\0${variable}=${id}\0`)

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Milliseconds for an answer. In doubt a job goes on, so nothing is lost if it comes later. */
const PATIENCE_MS = 5000
/** A Slurm that did not answer is left alone for so long: whoever stages must not wait for it once for each job. */
const REST_MS = 60_000

let silent = Number.NEGATIVE_INFINITY

/**
 * Whether its scheduler says that a job goes on, or can't say. A job of several steps may have no process on a node between two of
 * them. Only Slurm can be asked.
 */
export async function isListed({ variable, id }: Job): Promise<boolean> {
  if (variable !== 'SLURM_JOB_ID') return false
  if (monotonicMs() - silent < REST_MS) return true
  const answer = await askSlurm(id)
  if (answer === undefined) silent = monotonicMs()
  return answer ?? true
}

const GOES_ON = /RUNNING|SUSPENDED|COMPLETING|CONFIGURING|STAGE_OUT|SIGNALING|STOPPED|RESIZING/

/** undefined: it does not answer. Where there is no Slurm, no job of its runs. */
function askSlurm(id: string): Promise<boolean | undefined> {
  // The number of an array is also that of one of its tasks, and lists them all.
  const ask = ['--noheader', '--format=%A %T', `--jobs=${id}`]
  return new Promise((resolve) =>
    execFile('squeue', ask, { timeout: PATIENCE_MS }, (error, states, complaint) => {
      if (error) resolve(error.code === 'ENOENT' || /invalid job id/i.test(complaint) ? false : undefined)
      else resolve(states.split('\n').some((line) => line.startsWith(`${id} `) && GOES_ON.test(line)))
    }),
  )
}
