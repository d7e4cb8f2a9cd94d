import { resolve as normalise } from 'node:path'
import { expandFolder, jobId } from './job.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A folder that may be on the node's own disk, and where its name came from, for messages. */
export interface Candidate {
  path: string
  source: string
  /** Why it can't even be looked at. */
  unusable?: string
}

/** Folders by preference, from configuration. */
export interface Preference {
  /** Best first; `{user}`, `{job}` and `~/` are replaced. */
  localFolders?: readonly string[]
  /** No other folders are tried. */
  localFoldersOnly?: boolean
}

/** The folders of the configuration, then those that conda-stage knows by itself. */
export function localCandidates(
  env: Environment,
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
 * Folders to try where nobody named one, best first: what the scheduler made for this job (it is emptied with the
 * job), the usual places of clusters, then the temporary folders of every machine.
 */
function builtInCandidates(env: Environment, topFolders: readonly string[]): Candidate[] {
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

/** The variables by which Slurm, PBS, LSF, Grid Engine and some sites name the folder of a job. */
function jobFolders(env: Environment): Candidate[] {
  const folders: Candidate[] = []
  for (const name of ['SLURM_TMPDIR', 'PBS_JOBFS', 'LSF_JOB_TMPDIR', 'LOCAL_SCRATCH'])
    if (env[name]) folders.push({ path: env[name], source: `$${name}` })
  if (env.SLURM_JOB_ID) folders.push({ path: `/lscratch/${env.SLURM_JOB_ID}`, source: '/lscratch/$SLURM_JOB_ID' })
  if (jobId(env) !== undefined && env.TMPDIR) folders.push({ path: env.TMPDIR, source: "the job's $TMPDIR" })
  return folders
}
