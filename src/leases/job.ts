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

/** What a scheduler is asked about a job, and what it answers. */
interface Question {
  argv(id: string): [string, ...string[]]
  /** A line of a job that goes on. */
  goesOn(id: string): RegExp
  /** What it says of a job that it does not know. Then it fails. */
  unknown: RegExp
}

/** By the variable that holds the job's number. */
const QUESTIONS: Readonly<Record<string, Question>> = {
  SLURM_JOB_ID: {
    argv: (id) => ['squeue', '--noheader', '--format=%A %T', `--jobs=${id}`],
    // The number of an array is also that of one of its tasks, and lists them all.
    goesOn: (id) =>
      new RegExp(`^${id} .*(RUNNING|SUSPENDED|COMPLETING|CONFIGURING|STAGE_OUT|SIGNALING|STOPPED|RESIZING)`, 'm'),
    unknown: /invalid job id/i,
  },
  // PBS Pro and Torque: qstat(1B), `Job id, Name, User, Time Use, S, Queue`. Jobs that have ended are unknown, or in state C, F or X.
  PBS_JOBID: {
    argv: (id) => ['qstat', id],
    goesOn: () => /^\d.* [BEHQRSTUW] +\S+ *$/m,
    unknown: /unknown job id|has finished/i,
  },
  // IBM Spectrum LSF, bjobs: `JOBID, USER, STAT, ...`
  LSB_JOBID: {
    argv: (id) => ['bjobs', '-noheader', '-w', id],
    goesOn: (id) => new RegExp(`^${id} +\\S+ +(RUN|PEND|PROV|[PUS]SUSP|UNKWN|WAIT)`, 'm'),
    unknown: /is not found/i,
  },
  // Grid Engine, qstat.1: only of jobs that wait or run it has details.
  JOB_ID: {
    argv: (id) => ['qstat', '-j', id],
    goesOn: (id) => new RegExp(`^job_number: +${id} *$`, 'm'),
    unknown: /do(es)? not exist/i,
  },
}

/** Milliseconds for an answer. In doubt a job goes on, so nothing is lost if it comes later. */
const PATIENCE_MS = 5000
/** A scheduler that did not answer is left alone for so long: whoever stages must not wait for it once for each job. */
const REST_MS = 60_000

let silent = Number.NEGATIVE_INFINITY

/**
 * Whether its scheduler says that a job goes on, or can't say. A job may have no process on a node between two of its steps, and
 * a node that only got a copy for it may have none before the first.
 */
export async function isListed({ variable, id }: Job): Promise<boolean> {
  const question = QUESTIONS[variable]
  // Such a number would be an option, or more than one word.
  if (question === undefined || !/^\d[\w.[\]-]*$/.test(id)) return false
  if (monotonicMs() - silent < REST_MS) return true
  const answer = await ask(question, id)
  if (answer === undefined) silent = monotonicMs()
  return answer ?? true
}

/** undefined: it does not answer. Where its program is missing, no job of its runs. */
function ask({ argv, goesOn, unknown }: Question, id: string): Promise<boolean | undefined> {
  const [program, ...args] = argv(id)
  return new Promise((resolve) =>
    execFile(program, args, { timeout: PATIENCE_MS }, (error, states, complaint) => {
      if (!error || goesOn(id).test(states)) resolve(goesOn(id).test(states))
      else resolve(error.code === 'ENOENT' || unknown.test(complaint + states) ? false : undefined)
    }),
  )
}
