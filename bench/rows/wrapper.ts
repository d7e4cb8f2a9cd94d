import { join } from 'node:path'
import { type Bench, type Row, withArchive } from '../bench.ts'
import { LOCAL, SLOW } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

const PASS = ['-c', 'pass']
/** Where the copies are to be. Else that would be the TMPDIR of the bench, whose copies are noted for this TMPDIR alone. */
const VARIABLES = { CONDA_STAGE_PATH: LOCAL, CONDA_STAGE_SKIP_LOCAL: 'false' }

/**
 * A start of Python by its wrapper, from a copy that is there. The wrapper and the original are on the slow file system, and a start finds
 * nothing of them in memory.
 */
export const wrapper: Row = {
  names: ['wrapper'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    emptied(LOCAL)
    const python = join(writtenFor(bench), 'bin/python')
    const copy = run(python, ['-c', 'import sys; print(sys.executable)'], { env: VARIABLES }).stdout.trim()
    const started = (program: string) => run(program, PASS, { env: VARIABLES }).seconds
    let counts: Counters = {}
    const { cold, warm, bare, original } = await inTurns(bench.runs, {
      cold: () =>
        slowly(bench.slowness, async (mount) => {
          const seconds = started(python)
          counts = await mount.counters()
          return seconds
        }),
      warm: () => started(python),
      bare: () => started(copy),
      original: () => slowly(bench.slowness, async () => started(join(bench.prefix, 'bin/python'))),
    })
    emptied(LOCAL)
    const against = [{ name: "the copy's Python itself", values: bare }]
    return [
      {
        what: 'python -c pass by a wrapper, cold',
        unit: 's',
        ours: cold,
        limit: 0.06,
        against: [...against, { name: "the original's", values: original }],
      },
      { what: 'by a wrapper whose files are in memory', unit: 's', ours: warm, against },
      {
        what: 'its operations on wrapper and original',
        unit: 'operations',
        ours: [operations(counts)],
        against: [],
        counts,
      },
    ]
  },
}

/** The folder of the wrappers. */
function writtenFor({ prefix, programs }: Bench): string {
  const folder = join(SLOW, 'wrappers')
  run(programs.local.launcher, [`--wrappers=${folder}`, `--prefix=${prefix}`, '--programs=python'])
  return folder
}
