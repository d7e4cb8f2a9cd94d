import type { Variables } from '../../platform/job.ts'
import type { Launcher, Start } from '../launcher.ts'
import { nodesWithinJob } from '../nodes-of-job.ts'
import { plainWords } from './words.ts'

/**
 * LSF. One `blaunch` for each node, which passes standard input and output as rsh does, and only works for hosts of the job.
 * (https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=reference-blaunch)
 */
export const blaunch = (env: Variables): Launcher => ({
  name: 'blaunch',
  transfer: 'stdin',
  nodes: (asked) => nodesWithinJob(asked, env, 'blaunch'),
  commands: (nodes, argv) =>
    nodes.map((node): Start => ({ nodes: [node], argv: ['blaunch', node, ...plainWords(argv)], env })),
})
