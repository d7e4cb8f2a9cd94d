import { homeOf } from './home.ts'

/** Environment variables of a session. */
export type Variables = Readonly<Record<string, string | undefined>>

/** A scheduler's job, by the variable that holds its number in each of the job's processes. */
export interface Job {
  variable: string
  id: string
}

/** The job that runs here, as Slurm, PBS, LSF or Grid Engine tells it; undefined outside of jobs. */
export function jobOf(env: Variables): Job | undefined {
  // JOB_ID alone may belong to any program.
  const variables = ['SLURM_JOB_ID', 'PBS_JOBID', 'LSB_JOBID', ...(env.SGE_ROOT ? ['JOB_ID'] : [])]
  const variable = variables.find((name) => env[name])
  return variable === undefined ? undefined : { variable, id: env[variable]! }
}

/**
 * What ends a process that is started here, other than its own end: the step of the job, or the job. Processes that have this in
 * common end together. Empty outside of jobs.
 */
export function lifeOf(env: Variables): string {
  const job = jobOf(env)
  if (job === undefined) return ''
  const step = job.variable === 'SLURM_JOB_ID' ? env.SLURM_STEP_ID : undefined
  return step === undefined ? job.id : `${job.id}.${step}`
}

export const jobId = (env: Variables): string | undefined => jobOf(env)?.id

/**
 * Replaces `{user}`, `{job}` and `~/` in a folder of a configuration file. If one of them has no value, or a value that is not
 * a plain name, `missing` says so.
 */
export function expandFolder(template: string, env: Variables): { path: string } | { missing: string } {
  const words: Record<string, string | undefined> = { user: env.USER || env.LOGNAME, job: jobId(env) }
  let missing: string | undefined
  const inserted = template.replace(/\{(user|job)\}/g, (_, word: string) => {
    const value = words[word]
    if (value === undefined)
      missing = word === 'job' ? 'is only for jobs, and this is not a job' : 'needs a user name, and USER is not set'
    else if (!/^[^/\0]+$/.test(value) || value === '..' || value === '.') missing = `has no usable ${word}: '${value}'`
    return value ?? ''
  })
  const path = /^~(?=\/|$)/.test(inserted) ? `${homeOf(env)}${inserted.slice(1)}` : inserted
  return missing === undefined ? { path } : { missing }
}
