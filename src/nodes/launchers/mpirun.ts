import { execFile } from 'node:child_process'
import { StageError } from '../../errors.ts'
import type { Variables } from '../../platform/job.ts'
import type { Launcher } from '../launcher.ts'
import { nodesFor } from '../nodes-of-job.ts'

/**
 * Open MPI (4 and 5), or MPICH and Intel MPI, whose mpirun is called hydra. One mpirun starts a process on each node.
 *
 * Its standard streams are of no use. Open MPI's `--stdin all` knows no back pressure: with one slow node, mpirun and its daemons
 * had all of 200 MB in memory. Of three nodes that print at the same time, it cuts one line in twelve into another node's. hydra
 * gives standard input to the first process alone. (mpirun(1) of Open MPI 4.1, tried with 4.1.4; mpiexec of MPICH 4.0.2; Intel,
 * "Global Hydra Options")
 */
export async function mpirun(env: Variables): Promise<Launcher> {
  const isHydra = /hydra|intel/i.test(await versionOf(env))
  return {
    name: 'mpirun',
    transfer: 'shared',
    nodes: (asked) => nodesFor(asked, env),
    onThese: `mpirun ${isHydra ? '-hosts' : '--host'} $CONDA_STAGE_NODES`,
    commands: (nodes, argv) => [
      {
        nodes,
        argv: [
          'mpirun',
          ...['-n', `${nodes.length}`],
          ...(isHydra ? ['-ppn', '1', '-hosts'] : ['--map-by', 'ppr:1:node', '--host']),
          nodes.join(','),
          ...argv,
        ],
        env: { ...env, ...UNBOUND },
      },
    ],
  }
}

/** Each node extracts with all its cores: Open MPI 4 and 5, Intel MPI. MPICH binds nothing unless it is told to. */
const UNBOUND = {
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
  I_MPI_PIN: 'off',
}

/** `mpirun (Open MPI) 4.1.4`, `HYDRA build details: ...`, `Intel(R) MPI Library for Linux* OS, ...` */
function versionOf(env: Variables): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile('mpirun', ['--version'], { env, cwd: '/' }, (error, text) => {
      if (error?.code === 'ENOENT')
        reject(
          new StageError('NODES_FAILED', 'There is no mpirun on PATH', { hint: 'Load the module of an MPI library.' }),
        )
      else resolve(text)
    }),
  )
}
