import { join } from 'node:path'
import { type Bench, type Row, stageWith, withArchive } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import type { Figure } from '../report.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/** From small to large. */
const STARTS: Record<string, string[]> = {
  'python -c pass': ['-c', 'pass'],
  'import numpy': ['-c', 'import numpy'],
  'import numpy, pandas': ['-c', 'import numpy, pandas'],
  'jupyter --version': ['bin/jupyter', '--version'],
}

/**
 * What a start of Python asks of the file system that it starts from, and how long it takes from there and from a copy. These are
 * the constants of src/model/cost.ts.
 */
export const starts: Row = {
  names: ['starts'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    const { stage } = stageWith(bench.programs.local, bench)
    const figures: Figure[] = []
    for (const [what, args] of Object.entries(STARTS)) figures.push(...(await measureStart(bench, stage, what, args)))
    emptied(LOCAL)
    return figures
  },
}

async function measureStart(bench: Bench, stage: string, what: string, args: string[]): Promise<Figure[]> {
  let counts: Counters = {}
  const startFrom = (prefix: string) => run(join(prefix, 'bin/python'), args, { cwd: prefix }).seconds
  const { original, quick, copy } = await inTurns(bench.runs, {
    original: () =>
      slowly(bench.slowness, async (mount) => {
        await mount.reset()
        const seconds = startFrom(bench.prefix)
        counts = await mount.counters()
        return seconds
      }),
    quick: () => slowly({ ...bench.slowness, latencyMs: 0 }, async () => startFrom(bench.prefix)),
    copy: () => startFrom(stage),
  })
  return [
    { what: `${what}: operations`, unit: 'operations', ours: [operations(counts)], against: [], counts },
    {
      what: `${what}: from the copy`,
      unit: 's',
      ours: copy,
      against: [
        { name: 'from the original', values: original },
        { name: 'from the original at 0 ms', values: quick },
      ],
    },
  ]
}
