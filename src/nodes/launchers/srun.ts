import type { Variables } from '../../platform/job.ts'
import type { Launcher } from '../launcher.ts'
import { nodesOfList } from '../node-list.ts'
import { nodesWithinJob } from '../nodes-of-job.ts'

/**
 * Slurm, 20.11 or newer. One `srun` starts a process on each node, beside whatever runs there, and one `sbcast` sends the archive
 * from node to node. (https://slurm.schedmd.com/srun.html, https://slurm.schedmd.com/sbcast.html)
 */
export function srun(env: Variables): Launcher {
  const own = stepVariables(env)
  return {
    name: 'srun',
    transfer: 'sbcast',
    nodes: (asked) => nodesWithinJob(asked, env, 'srun'),
    onThese: 'srun --nodelist=$CONDA_STAGE_NODES',
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
      return list === undefined ? [] : nodesOfList(list)
    },
  }
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
