import { StageError } from '../../errors.ts'
import type { Variables } from '../../platform/job.ts'
import type { Launcher, Start } from '../launcher.ts'
import { nodesFor } from '../nodes-of-job.ts'
import { plainWords } from './words.ts'

/** Stands for the node's name. */
const NODE = '{node}'

/**
 * A user's own command, once for each node: `rsh {node}`, `docker exec -i {node}`, `ssh -p 2222 {node}-ib`. It starts the words
 * that we put behind it, and hands on standard input and output.
 * @throws StageError USAGE
 */
export function ownCommand(template: string, env: Variables): Launcher {
  const words = template.trim().split(/\s+/)
  if (!template.includes(NODE) || words[0]!.includes(NODE))
    throw new StageError('USAGE', `--launcher='${template}' does not say where the node's name goes`, {
      hint: `Write ${NODE} in its place: --launcher='rsh ${NODE}'`,
    })
  return {
    name: template,
    transfer: 'stdin',
    nodes: (asked) => nodesFor(asked, env),
    commands: (nodes, argv) =>
      nodes.map((node): Start => {
        const [program, ...rest] = words.map((word) => word.replaceAll(NODE, node))
        return { nodes: [node], argv: [program!, ...rest, ...plainWords(argv)], env }
      }),
  }
}
