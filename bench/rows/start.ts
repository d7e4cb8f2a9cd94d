import type { Row } from '../bench.ts'
import { inTurns, run } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/** Starts the program from the slow file system, with nothing of it in memory. Compared with its Node alone, up to a program's first line. */
export const start: Row = {
  names: ['start'],
  async measure({ slowness, runs, programs: { slow } }) {
    const counts: Record<string, Counters> = {}
    const cold = (name: string, command: string, args: string[]) =>
      slowly(slowness, async (mount) => {
        const { seconds } = run(command, args)
        counts[name] = await mount.counters()
        return seconds
      })
    const { ours, node } = await inTurns(runs, {
      ours: () => cold('ours', slow.launcher, ['--version']),
      node: () => cold('node', slow.node, ['-e', '0']),
    })
    const operationsOf = (name: string) => [operations(counts[name]!)]
    return [
      { what: 'start, cold', unit: 's', ours, limit: 0.25, against: [{ name: 'its Node alone', values: node }] },
      {
        what: 'its operations',
        unit: 'operations',
        ours: operationsOf('ours'),
        limit: 60,
        against: [{ name: 'its Node alone', values: operationsOf('node') }],
        counts: counts.ours!,
      },
    ]
  },
}
