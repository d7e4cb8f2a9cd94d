import { type Row, withArchive } from '../bench.ts'
import { inTurns, run } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/** Recognises a fresh archive. The program is not on the slow file system, so that only its operations on the original count. */
export const freshness: Row = {
  names: ['freshness'],
  async measure(bench) {
    withArchive(bench)
    let counts: Counters = {}
    const { ours } = await inTurns(bench.runs, {
      ours: () =>
        slowly(bench.slowness, async (mount) => {
          const { seconds } = run(bench.programs.local.launcher, ['--pack', `--prefix=${bench.prefix}`, '--quiet'])
          counts = await mount.counters()
          return seconds
        }),
    })
    return [
      { what: 'fresh archive recognised, whole program', unit: 's', ours, limit: 0.15, against: [] },
      {
        what: 'its operations on the original',
        unit: 'operations',
        ours: [operations(counts)],
        limit: 40,
        against: [],
        counts,
      },
    ]
  },
}
