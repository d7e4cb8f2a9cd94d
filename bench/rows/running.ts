import { join } from 'node:path'
import { type Row, stageWith, withArchive } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

const IMPORTS = 'import jupyterlab, numpy, pandas, IPython'

/** A staged program: its operations on the original, and how fast it starts. */
export const running: Row = {
  names: ['running', 'jupyter'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    const { stage } = stageWith(bench.programs.local, bench)
    let counts: Counters = {}
    await slowly(bench.slowness, async (mount) => {
      await mount.reset()
      run(join(stage, 'bin/jupyter'), ['--version'])
      counts = await mount.counters()
    })
    const copy = join(emptied(join(TOP, 'copy')), 'env')
    run('cp', ['-a', bench.prefix, copy])
    // Through Python, because the first line of the plain copy's script names the original.
    const jupyter = (prefix: string) =>
      run(join(prefix, 'bin/python'), [join(prefix, 'bin/jupyter'), '--version']).seconds
    const { ours, theirs } = await inTurns(bench.runs, { ours: () => jupyter(stage), theirs: () => jupyter(copy) })
    const stale = run(join(stage, 'bin/python'), ['-v', '-c', IMPORTS]).stderr.match(/bytecode is stale/g)?.length ?? 0
    emptied(LOCAL)
    emptied(join(TOP, 'copy'))
    return [
      {
        what: 'operations on the original while jupyter runs',
        unit: 'operations',
        ours: [operations(counts)],
        limit: 0,
        against: [],
        counts,
      },
      {
        what: 'jupyter --version from the stage',
        unit: 's',
        ours,
        against: [{ name: 'from cp -a', values: theirs, limit: 1.05 }],
      },
      { what: 'stale .pyc files among imports', unit: 'files', ours: [stale], limit: 0, against: [] },
    ]
  },
}
