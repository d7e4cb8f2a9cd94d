import type { Variables } from '../../platform/job.ts'
import type { Launcher, Start } from '../launcher.ts'
import { nodesWithinJob } from '../nodes-of-job.ts'
import { plainWords } from './words.ts'

/**
 * Grid Engine. One `qrsh -inherit` for each node starts a task of the job there and passes its standard streams. The parallel
 * environment must have control_slaves set. (sge_submit.1, sge_pe.5)
 *
 * On the host of the job's script our process is a plain child: where the script counts as a task (job_is_first_task), a job
 * with one slot on that host may start no other.
 */
export const qrsh = (env: Variables, host: string): Launcher => ({
  name: 'qrsh',
  transfer: 'stdin',
  nodes: (asked) => nodesWithinJob(asked, env, 'qrsh'),
  commands: (nodes, argv) =>
    nodes.map(
      (node): Start => ({
        nodes: [node],
        argv: isSame(node, host) ? argv : ['qrsh', '-inherit', node, ...plainWords(argv)],
        env,
      }),
    ),
})

const isSame = (node: string, host: string): boolean => node.split('.')[0] === host.split('.')[0]
