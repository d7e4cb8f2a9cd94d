/** `npm run bench -- [ROW...] [--environment=real,large] [--runs=3] ...`: see README.md. */
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, Row } from './bench.ts'
import { ENVIRONMENTS, type EnvironmentName, provideEnvironment } from './environments.ts'
import { ENV, LOCAL, REPOSITORY } from './layout.ts'
import { emptied } from './measure.ts'
import { providePeers, versionsOf } from './peers.ts'
import { installProgram, versionOf } from './program.ts'
import { type Figure, keep, table } from './report.ts'
import { ROWS } from './rows/index.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    environment: { type: 'string', default: 'real,large' },
    runs: { type: 'string', default: '3' },
    'slow-runs': { type: 'string', default: '1' },
    'latency-ms': { type: 'string', default: '2' },
    'first-stage-ms': { type: 'string', default: '0.2,2,10' },
    'bandwidth-mb': { type: 'string', default: '200' },
    results: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
})
async function benchOn(environment: EnvironmentName): Promise<void> {
  if (!ENVIRONMENTS.includes(environment)) throw new Error(`--environment is one of ${ENVIRONMENTS.join(', ')}`)
  const rows = chosen(environment)
  tell(`environment ${environment}`)
  const prefix = await provideEnvironment(environment)
  for (const folder of [ENV.HOME!, LOCAL]) emptied(folder)
  tell('program and peers')
  const programs = installProgram()
  const peers = providePeers()
  const slowness = { latencyMs: Number(options['latency-ms']), bandwidthMb: Number(options['bandwidth-mb']) }
  const counts = { runs: Number(options.runs), slowRuns: Number(options['slow-runs']) }
  const firstStageMs = options['first-stage-ms'].split(',').map(Number)
  const bench: Bench = { prefix, programs, peers, slowness, firstStageMs, ...counts }
  const figures: Figure[] = []
  for (const row of rows) {
    tell(row.names.join(', '))
    try {
      figures.push(...(await row.measure(bench)))
    } catch (error) {
      // The other rows take long: one that fails must not waste them.
      process.exitCode = 1
      console.error(error)
    }
  }
  const report = {
    date: new Date().toISOString(),
    commit: execFileSync('git', ['describe', '--always', '--dirty'], { cwd: REPOSITORY, encoding: 'utf8' }).trim(),
    machine: machine(),
    versions: { ours: versionOf(programs.local), node: process.version, ...versionsOf(peers) },
    settings: { environment, ...slowness, ...counts },
    figures,
  }
  process.stdout.write(`\n${table(figures)}\n\nKept in ${keep(report, options.results)}\n`)
}

function chosen(environment: EnvironmentName): Row[] {
  const unknown = names.filter((name) => !ROWS.some((row) => row.names.includes(name)))
  if (unknown.length)
    throw new Error(`There is no row ${unknown}; there are ${ROWS.flatMap((row) => row.names).join(', ')}`)
  const rows = names.length ? ROWS.filter((row) => row.names.some((name) => names.includes(name))) : ROWS
  return environment === 'small' ? rows.filter((row) => !row.needsPython) : rows
}

function machine(): Record<string, string | number> {
  const [load = 0] = loadavg()
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadAtEnd: load,
  }
}

const tell = (text: string): void => void process.stderr.write(`bench: ${text} ...\n`)

for (const environment of options.environment.split(',')) await benchOn(environment as EnvironmentName)
