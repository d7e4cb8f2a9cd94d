import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Cluster, type Staging, staging, startFromOriginal } from '../../bench/scale/cluster.ts'
import { LUSTRE, NODES, REAL } from '../../bench/scale/inputs.ts'
import { simulateStaging, simulateStart } from '../../bench/scale/simulate.ts'
import { USUAL_START } from '../../src/model/cost.ts'

const ROOT = join(import.meta.dirname, '../..')
const SEEDS = [1, 2, 3]

const cluster = (changes: Partial<Cluster> = {}): Cluster => ({ ...LUSTRE, nodes: 100, ...changes })

const withStaging = (parts: Staging): number => Object.values(parts).reduce((sum, part) => sum + part, 0)

/** Seconds with and without staging, by formula and by simulation. */
const seconds = (each: Cluster, seed = 1): Record<string, number> => ({
  'with staging, by formula': withStaging(staging(REAL, USUAL_START, each)),
  'with staging, simulated': withStaging(simulateStaging(REAL, USUAL_START, each, seed)),
  'without, by formula': startFromOriginal(USUAL_START, each),
  'without, simulated': simulateStart(USUAL_START, each, seed).seconds,
})

const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

test('the tables of docs/scale.md are those that npm run bench:scale prints', () => {
  const printed = execFileSync(process.execPath, [join(ROOT, 'bench/scale/run.ts')], { encoding: 'utf8' })
  const page = readFileSync(join(ROOT, 'docs/scale.md'), 'utf8')
  const tables = printed.split('\n\n')
  assert.equal(tables.length, 4)
  for (const each of tables) assert.ok(page.includes(`\n${each.trimEnd()}\n`), `docs/scale.md lacks:\n${each}`)
})

test('simulated servers lose no request and no byte, and work whenever somebody waits for them', () => {
  for (const nodes of [1, 100, 3000]) {
    const each = cluster({ nodes })
    const { metadata, data, seconds } = simulateStart(USUAL_START, each)
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) <= 1e-6 * b, `${nodes} nodes: ${a}, not ${b}`)
    near(metadata.served, nodes * USUAL_START.requests)
    near(data.served, nodes * USUAL_START.bytes)
    near(metadata.busy, metadata.served / each.serverRequests)
    assert.ok(metadata.busy + metadata.idle <= seconds && data.busy + data.idle <= seconds)
  }
  // So many nodes always leave something to do: the server is idle only while they all begin, or the last ones end.
  const { metadata, seconds } = simulateStart(USUAL_START, cluster({ nodes: 3000 }))
  assert.ok(metadata.busy > 0.95 * seconds)
})

test('formulas and simulation agree within 30% for all numbers of nodes, latencies and bandwidths in the tables', () => {
  for (const nodes of NODES)
    for (const lookUp of nodes > 1000 ? [0.5e-3] : [0.03e-3, 0.5e-3, 10e-3])
      for (const bandwidth of nodes > 1000 ? [1.25e9] : [200e6, 1.25e9]) {
        const runs = SEEDS.map((seed) => seconds(cluster({ nodes, lookUp, bandwidth }), seed))
        for (const way of ['with staging', 'without']) {
          const [formula, simulated] = ['by formula', 'simulated'].map((how) =>
            middle(runs.map((run) => run[`${way}, ${how}`]!)),
          ) as [number, number]
          const ratio = formula / simulated
          assert.ok(ratio > 1 / 1.3 && ratio < 1.3, `${nodes} nodes, ${lookUp} s, ${way}: ${formula}, ${simulated}`)
        }
      }
})

test('more nodes, slower look-ups and less bandwidth never make anything faster', () => {
  const series: Cluster[][] = [
    [1, 8, 100, 1000, 3000].map((nodes) => cluster({ nodes, spread: 0, stragglers: 0 })),
    [0.03, 0.5, 2, 10].map((ms) => cluster({ lookUp: ms / 1000 })),
    [2e9, 1e9, 200e6, 50e6].map((bandwidth) => cluster({ bandwidth })),
    [2e9, 1e9, 200e6].map((link) => cluster({ link, sendsProgram: true })),
    [1e6, 100e3, 10e3].map((serverRequests) => cluster({ serverRequests })),
  ]
  for (const each of series)
    for (const [at, one] of each.slice(1).entries()) {
      const [before, after] = [seconds(each[at]!), seconds(one)]
      for (const way of Object.keys(after))
        assert.ok(after[way]! >= before[way]! * (1 - 1e-9), `${way}: ${before[way]}, ${after[way]}`)
    }
})

test('the same seed gives the same, and another seed does not', () => {
  const run = (seed: number) => seconds(cluster(), seed)['without, simulated']
  assert.equal(run(7), run(7))
  assert.notEqual(run(7), run(8))
})
