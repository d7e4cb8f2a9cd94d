import { homedir } from 'node:os'

/** Environment variables of a session. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The number of the job that runs here, as Slurm, PBS, LSF or Grid Engine gives it; undefined outside of jobs. */
export function jobId(env: Variables): string | undefined {
  // JOB_ID alone may belong to any program.
  const id = env.SLURM_JOB_ID || env.PBS_JOBID || env.LSB_JOBID || (env.SGE_ROOT && env.JOB_ID)
  return id || undefined
}

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
  const path = /^~(?=\/|$)/.test(inserted) ? `${env.HOME || homedir()}${inserted.slice(1)}` : inserted
  return missing === undefined ? { path } : { missing }
}
