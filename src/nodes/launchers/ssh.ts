import type { Variables } from '../../platform/job.ts'
import type { Launcher, Start } from '../launcher.ts'
import { nodesFor } from '../nodes-of-job.ts'
import { forAnyShell } from './words.ts'

/** Seconds. Includes the exchange of keys (ssh_config(5), ConnectTimeout). */
const CONNECT_S = 20

/**
 * One `ssh` for each node. It hands on no variables of the job: what a node has to know is in the plan. (ssh(1), ssh_config(5))
 */
export const ssh = (env: Variables): Launcher => ({
  name: 'ssh',
  transfer: 'stdin',
  nodes: (asked) => nodesFor(asked, env),
  commands: (nodes, argv) =>
    nodes.map(
      (node): Start => ({
        nodes: [node],
        argv: ['ssh', ...OPTIONS, node, forAnyShell(argv)],
        env,
      }),
    ),
})

const OPTIONS = [
  '-T', // a pseudo-terminal would change what is sent
  '-x',
  '-a',
  ...[
    'BatchMode=yes', // asks for no password: many would ask at once
    `ConnectTimeout=${CONNECT_S}`,
    // A node that dies is noticed after a minute.
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
    'ClearAllForwardings=yes',
    // What the user's configuration has for work by hand.
    'RemoteCommand=none',
    'PermitLocalCommand=no',
    'ControlMaster=no',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option]),
]
