import type { Variables } from '../../platform/job.ts'
import type { Launcher } from '../launcher.ts'
import { nodesWithinJob } from '../nodes-of-job.ts'

/**
 * PBS Pro, OpenPBS and Torque. `pbsdsh` starts a process for each line of the job's node file, on all nodes of the job and often
 * several times on each; those that are too many, and those of nodes that are not meant, end at once. It passes no standard
 * input, and what a process prints goes into the job's own output.
 * (https://github.com/openpbs/openpbs, doc/man1/pbsdsh.1B; https://github.com/adaptivecomputing/torque, src/cmds/pbsdsh.c)
 */
export const pbsdsh = (env: Variables): Launcher => ({
  name: 'pbsdsh',
  transfer: 'shared',
  nodes: (asked) => nodesWithinJob(asked, env, 'pbsdsh'),
  commands: (nodes, argv) => [{ nodes, argv: ['pbsdsh', '--', ...argv], env }],
})
