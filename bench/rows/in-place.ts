import { join } from 'node:path'
import { type Bench, type Row, withArchive } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/** Commands with the copy in the original's own place, beside a relocated copy: when they start, and how fast programs start there. */
export const inPlace: Row = {
  names: ['exec'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    emptied(LOCAL)
    const copy = relocated(bench).stdout.trim()
    exec(bench, 'true')
    const own = await inTurns(bench.runs, {
      exec: () => exec(bench, 'true').seconds,
      prefix: () => relocated(bench).seconds,
    })
    let counts: Counters = {}
    const slow = await inTurns(bench.runs, {
      exec: () =>
        slowly(bench.slowness, async (mount) => {
          await mount.reset()
          const { seconds } = exec(bench, 'true')
          counts = await mount.counters()
          return seconds
        }),
    })
    const jupyter = await inTurns(bench.runs, {
      exec: () => jupyterIn(bench.prefix, (...command) => exec(bench, ...command)),
      copy: () => jupyterIn(copy, (program, ...args) => run(program, args)),
    })
    emptied(LOCAL)
    const against = [{ name: 'path of a relocated copy', values: own.prefix }]
    return [
      { what: '--exec true with a copy, own time', unit: 's', ours: own.exec, against },
      { what: '--exec true with a copy, original slow', unit: 's', ours: slow.exec, against: [], counts },
      { what: 'its operations on the original', unit: 'operations', ours: [operations(counts)], against: [], counts },
      {
        what: "jupyter --version in the original's place",
        unit: 's',
        ours: jupyter.exec,
        against: [{ name: 'from a relocated copy', values: jupyter.copy, limit: 1.05 }],
      },
    ]
  },
}

const given = ({ prefix }: Bench): string[] => [`--prefix=${prefix}`, `--path=${LOCAL}`, '--keep=60', '--quiet']

const exec = (bench: Bench, ...command: string[]) =>
  run(bench.programs.local.launcher, [...given(bench), '--no-skip-local', '--exec=strict', '--', ...command])

const relocated = (bench: Bench) => run(bench.programs.local.launcher, given(bench))

/** Seconds, without those that it takes until a command starts. */
function jupyterIn(prefix: string, start: (program: string, ...args: string[]) => { stdout: string }): number {
  const timed = `TIMEFORMAT=%R; { time "$0/python" "$0/jupyter" --version > /dev/null; } 2>&1`
  return Number(start('/bin/bash', '-c', timed, join(prefix, 'bin')).stdout)
}
