import { resolve as normalise } from 'node:path'
import { expandFolder, jobId, type Variables } from './job.ts'

/** A folder that may be on the node's own disk. */
export interface Candidate {
  path: string
  /** Where the path comes from, for messages. */
  source: string
  /** Why the folder can't even be inspected. */
  unusable?: string
}

/** Folders by preference, from configuration. */
export interface Preference {
  /** Best first; `{user}`, `{job}` and `~/` are replaced. */
  localFolders?: readonly string[]
  /** Try no other folders. */
  localFoldersOnly?: boolean
}

/** The folders of the configuration, then the built-in ones. */
export function localCandidates(
  env: Variables,
  topFolders: readonly string[],
  { localFolders = [], localFoldersOnly = false }: Preference = {},
): Candidate[] {
  const candidates = localFolders.map((template): Candidate => {
    const expanded = expandFolder(template, env)
    const source = 'local-folders'
    return 'path' in expanded
      ? { path: normalise(expanded.path), source }
      : { path: template, source, unusable: expanded.missing }
  })
  return localFoldersOnly ? candidates : withoutRepeats([...candidates, ...builtInCandidates(env, topFolders)])
}

/**
 * Folders to try if nobody named one, best first: the folder that the scheduler made for this job (it is emptied with the
 * job), the usual places on clusters, then the temporary folders of every machine.
 */
function builtInCandidates(env: Variables, topFolders: readonly string[]): Candidate[] {
  const user = env.USER || env.LOGNAME
  const candidates = jobFolders(env)
  if (user) candidates.push({ path: `/scratch/${user}`, source: '/scratch/$USER' })
  for (const name of topFolders.filter((folder) => folder.startsWith('local')).sort()) {
    if (user) candidates.push({ path: `/${name}/${user}`, source: `/${name}/$USER` })
    candidates.push({ path: `/${name}`, source: `/${name}` })
  }
  if (env.TMPDIR) candidates.push({ path: env.TMPDIR, source: '$TMPDIR' })
  candidates.push({ path: '/tmp', source: '/tmp' })
  return candidates
    .filter(({ path }) => path.startsWith('/'))
    .map(({ path, source }) => ({ path: normalise(path), source }))
}

const withoutRepeats = (candidates: Candidate[]): Candidate[] =>
  candidates.filter(({ path }, at) => candidates.findIndex((other) => other.path === path) === at)

/** The folders of this job, from variables that Slurm, PBS, LSF, Grid Engine and some sites set. */
function jobFolders(env: Variables): Candidate[] {
  const folders: Candidate[] = []
  for (const name of ['SLURM_TMPDIR', 'PBS_JOBFS', 'LSF_JOB_TMPDIR', 'LOCAL_SCRATCH'])
    if (env[name]) folders.push({ path: env[name], source: `$${name}` })
  if (env.SLURM_JOB_ID) folders.push({ path: `/lscratch/${env.SLURM_JOB_ID}`, source: '/lscratch/$SLURM_JOB_ID' })
  if (jobId(env) !== undefined && env.TMPDIR) folders.push({ path: env.TMPDIR, source: "the job's $TMPDIR" })
  return folders
}
