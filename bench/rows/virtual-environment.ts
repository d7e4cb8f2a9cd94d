import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Bench, Row } from '../bench.ts'
import { ENV, LOCAL, SLOW } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import type { Figure } from '../report.ts'
import { slowly } from '../slowly.ts'

const VENV = join(SLOW, 'proj/.venv')

/**
 * A virtual environment on the slow file system, made of a Python there, with the packages of the bench's environment: its first and
 * a later stage, and a program that starts from the original, from a copy, and from a copy whose Python is a copy, too.
 */
export const virtualEnvironment: Row = {
  names: ['virtual-environment', 'venv'],
  needsPython: true,
  async measure(bench) {
    makeVenv(bench.prefix)
    try {
      return await figures(bench)
    } finally {
      rmSync(join(SLOW, 'proj'), { recursive: true })
      emptied(LOCAL)
      emptied(ENV.XDG_CACHE_HOME!)
    }
  },
}

async function figures(bench: Bench): Promise<Figure[]> {
  const starts = { original: [] as number[], copy: [] as number[], both: [] as number[] }
  const withBase: number[] = []
  const { first, later } = await inTurns(bench.runs, {
    first: () => {
      emptied(ENV.XDG_CACHE_HOME!)
      return slowly(bench.slowness, async () => stage(bench, []).seconds)
    },
    later: () =>
      slowly(bench.slowness, async () => {
        const { seconds, copy } = stage(bench, [])
        starts.copy.push(jupyter(copy))
        return seconds
      }),
  })
  // Writes the archive of its Python.
  await slowly(bench.slowness, async () => stage(bench, ['--with-base']))
  for (let n = 0; n < bench.runs; n++) {
    await slowly(bench.slowness, async () => starts.original.push(jupyter(VENV)))
    await slowly(bench.slowness, async () => {
      const { seconds, copy } = stage(bench, ['--with-base'])
      withBase.push(seconds)
      starts.both.push(jupyter(copy))
    })
  }
  const at = `${bench.slowness.latencyMs} ms a request`
  return [
    { what: `virtual environment: first stage, ${at}`, unit: 's', ours: first, against: [] },
    { what: `virtual environment: later stage, ${at}`, unit: 's', ours: later, against: [] },
    { what: `virtual environment: later stage with its Python, ${at}`, unit: 's', ours: withBase, against: [] },
    {
      what: 'jupyter --version from the copy, its Python on the slow file system',
      unit: 's',
      ours: starts.copy,
      against: [{ name: 'from the original', values: starts.original, limit: 1 }],
    },
    {
      what: 'jupyter --version from the copy, its Python staged, too',
      unit: 's',
      ours: starts.both,
      against: [{ name: 'from the original', values: starts.original, limit: 1 / 5 }],
    },
  ]
}

/** To an empty local folder: the time of the whole process, and the copy. */
function stage({ programs: { local } }: Bench, more: string[]): { seconds: number; copy: string } {
  emptied(LOCAL)
  const { seconds, stdout } = run(local.launcher, [`--prefix=${VENV}`, `--path=${LOCAL}`, '--quiet', ...more])
  return { seconds, copy: stdout.trim() }
}

const jupyter = (prefix: string): number => run(join(prefix, 'bin/jupyter'), ['--version']).seconds

/** With the packages of a conda environment, and its own Python for base. */
function makeVenv(conda: string): void {
  emptied(join(SLOW, 'proj'))
  run(join(conda, 'bin/python'), ['-m', 'venv', '--without-pip', VENV])
  const [from = ''] = globSync(join(conda, 'lib/python3*/site-packages'))
  const [to = ''] = globSync(join(VENV, 'lib/python3*'))
  rmSync(join(to, basename(from)), { recursive: true })
  mkdirSync(to, { recursive: true })
  execFileSync('cp', ['-a', from, to])
  const scripts = globSync(join(conda, 'bin/jupyter*'))
  for (const script of scripts) {
    const text = readFileSync(script, 'utf8').replaceAll(conda, VENV)
    writeFileSync(join(VENV, 'bin', basename(script)), text, { mode: 0o755 })
  }
}
