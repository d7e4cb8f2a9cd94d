import { homedir } from 'node:os'

type Environment = Readonly<Record<string, string | undefined>>

/** The job that runs here as its scheduler (Slurm, PBS, LSF, Grid Engine) calls it; undefined outside of jobs. */
export function jobId(env: Environment): string | undefined {
  // JOB_ID alone may be any program's variable.
  const id = env.SLURM_JOB_ID || env.PBS_JOBID || env.LSB_JOBID || (env.SGE_ROOT && env.JOB_ID)
  return id || undefined
}

/**
 * The folder of a configuration file with `{user}`, `{job}` and `~/` replaced; where there is no value for one of them, or
 * one that is no plain name, `missing` says so.
 */
export function expandFolder(template: string, env: Environment): { path: string } | { missing: string } {
  const words: Record<string, string | undefined> = { user: env.USER || env.LOGNAME, job: jobId(env) }
  let missing: string | undefined
  const inserted = template.replace(/\{(user|job)\}/g, (_, word: string) => {
    const value = words[word]
    if (value === undefined) missing = word === 'job' ? 'is for jobs, and this is none' : 'needs a user name (USER)'
    else if (!/^[^/\0]+$/.test(value) || value === '..' || value === '.') missing = `would get ${word} '${value}'`
    return value ?? ''
  })
  const path = /^~(?=\/|$)/.test(inserted) ? `${env.HOME || homedir()}${inserted.slice(1)}` : inserted
  return missing === undefined ? { path } : { missing }
}
