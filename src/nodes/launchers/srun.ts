import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { StageError } from '../../errors.ts'
import type { Variables } from '../../platform/job.ts'
import type { Launcher } from '../launcher.ts'

/**
 * Slurm, 20.11 or newer. One `srun` starts a process on each node, beside whatever runs there, and one `sbcast` sends the archive
 * from node to node. (https://slurm.schedmd.com/srun.html, https://slurm.schedmd.com/sbcast.html)
 */
export function srun(env: Variables): Launcher {
  const own = stepVariables(env)
  return {
    name: 'srun',
    transfer: 'sbcast',
    nodes: async (asked) =>
      await expanded(asked === 'all' ? (env.SLURM_JOB_NODELIST ?? env.SLURM_NODELIST) : asked, own),
    commands: (nodes, argv) => [{ nodes, argv: ['srun', ...stepFor(nodes, env), ...argv], env: own }],
    // Compression is left out, because the archive is compressed. The width of the tree is the site's: its option has another
    // name since 23.11.
    send: (file, to, step) => ({
      argv: ['sbcast', `--jobid=${env.SLURM_JOB_ID}.${step}`, '--force', file, to],
      env: own,
    }),
    lost: (line) => {
      const list =
        /^srun: error: (\S+): tasks? [\d,-]+: /.exec(line)?.[1] ?? /^srun: error: Node failure on (\S+)/.exec(line)?.[1]
      return list === undefined ? [] : namesIn(list)
    },
  }
}

/** The names in a list of one bracket at most, such as `n1,n[3-5,07]`, in which srun reports several nodes at once. */
function namesIn(list: string): string[] {
  return list.split(/,(?![^[]*\])/).flatMap((name) => {
    const [, start = '', ranges = '', end = ''] = /^([^[]*)\[([^\]]*)\](.*)$/.exec(name) ?? []
    if (ranges === '') return [name]
    return ranges.split(',').flatMap((range) => {
      const [from = '', to = from] = range.split('-')
      const count = Number(to) - Number(from) + 1
      return Array.from(
        { length: count },
        (_, at) => `${start}${String(Number(from) + at).padStart(from.length, '0')}${end}`,
      )
    })
  })
}

/** A step in which each process has all that the job has on its node, and takes nothing of that from other steps. */
const stepFor = (nodes: readonly string[], env: Variables): string[] => [
  `--jobid=${env.SLURM_JOB_ID}`,
  '--overlap',
  `--nodes=${nodes.length}`,
  `--nodelist=${nodes.join(',')}`,
  `--ntasks=${nodes.length}`,
  '--ntasks-per-node=1',
  '--cpu-bind=none',
  '--mem=0',
  '--gres=none',
  '--mpi=none',
  // Whoever fails first must not take the others along.
  '--kill-on-bad-exit=0',
  '--wait=0',
  '--input=all',
  '--quiet',
  // The session's folder and the environment's own programs may be on the slow file system.
  '--chdir=/',
  '--export=ALL',
]

/** What tells the job and its cluster. All other variables of Slurm's are options of srun and sbcast, or the batch step's own. */
const KEPT = /^SLURM_(JOB_ID|CONF|CONF_SERVER|CLUSTERS|JWT|TMPDIR)$/

const stepVariables = (env: Variables): Variables =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => KEPT.test(name) || !/^(SLURMD?|SRUN|SBCAST|PMI)_/.test(name)),
  )

/** `scontrol` does that by itself, without asking the controller. */
async function expanded(list: string | undefined, env: Variables): Promise<string[]> {
  if (!list)
    throw new StageError('USAGE', 'Slurm does not tell the nodes of this job', { hint: 'Name them: --nodes=LIST' })
  const { stdout } = await promisify(execFile)('scontrol', ['show', 'hostnames', list], { env }).catch(
    (cause: unknown) => {
      throw new StageError('NODES_FAILED', `The nodes ${list} can't be told apart: scontrol failed`, {
        hint: "Try 'scontrol show hostnames'. Slurm's programs must be on PATH.",
        cause,
      })
    },
  )
  return [...new Set(stdout.split('\n'))].filter((name) => name !== '')
}
