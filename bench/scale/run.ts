/** `npm run bench:scale`: prints the tables of docs/scale.md. The same each time. */
import {
  firstStageSeconds,
  laterStageSeconds,
  paybackOf,
  type Site,
  startSeconds,
  USUAL_START,
} from '../../src/model/cost.ts'
import { median } from '../measure.ts'
import { type Cluster, demandOf, type Staging, staging, startFromOriginal } from './cluster.ts'
import { LUSTRE, NODES, REAL } from './inputs.ts'
import { published } from './published.ts'
import { simulateStaging, simulateStart } from './simulate.ts'
import { counted, rounded, seconds, table } from './table.ts'

const SEEDS = [1, 2, 3, 4, 5]

const clusters = NODES.map((nodes): Cluster => ({ ...LUSTRE, nodes }))

function oneNode(): string {
  const rows = [0.03, 0.2, 0.5, 2, 10].map((ms) => {
    const site: Site = { lookUp: ms / 1000, bandwidth: 200e6, cores: 2 }
    const stageSeconds = laterStageSeconds(REAL, site)
    const { pays, gainSeconds } = paybackOf(REAL, site, stageSeconds)
    const starts = Math.ceil(stageSeconds / gainSeconds)
    return [
      `${ms} ms`,
      seconds(firstStageSeconds(REAL, site)),
      seconds(stageSeconds),
      seconds(startSeconds(USUAL_START, site)),
      seconds(USUAL_START.cpu),
      `${starts}`,
      pays ? 'pays' : 'gains little',
    ]
  })
  const head = [
    'a look-up',
    'first stage',
    'later stage',
    'start from the original',
    'from the copy',
    'starts to pay',
    '',
  ]
  return table([head, ...rows])
}

function withStaging(): string {
  const rows = clusters.map((cluster) => {
    const model = staging(REAL, USUAL_START, cluster)
    const runs = simulated(cluster)
    const both = (part: keyof Staging) => `${seconds(model[part])}, ${seconds(median(runs.map((run) => run[part])))}`
    return [
      counted(cluster.nodes),
      both('program'),
      both('transfer'),
      both('extraction'),
      both('start'),
      together(cluster, runs),
      together({ ...cluster, sendsProgram: true }),
    ]
  })
  return table([['nodes', 'program', 'transfer', 'extraction', 'first start', 'together', 'program sent'], ...rows])
}

const simulated = (cluster: Cluster) => SEEDS.map((seed) => simulateStaging(REAL, USUAL_START, cluster, seed))

const together = (cluster: Cluster, runs = simulated(cluster)): string =>
  [sum(staging(REAL, USUAL_START, cluster)), median(runs.map(sum))].map(seconds).join(', ')

function withoutStaging(): string {
  const rows = clusters.map((cluster) => {
    const model = startFromOriginal(USUAL_START, cluster)
    const run = median(SEEDS.map((seed) => simulateStart(USUAL_START, cluster, seed).seconds))
    const [requests, bytes] = [cluster.nodes * USUAL_START.requests, cluster.nodes * USUAL_START.bytes]
    const [read, sent] = [false, true].map((sendsProgram) => demandOf(REAL, { ...cluster, sendsProgram }))
    return [
      counted(cluster.nodes),
      `${seconds(model)}, ${seconds(run)}`,
      ...[requests, requests / run, read!.requests, sent!.requests].map(rounded),
      ...[bytes, read!.bytes, sent!.bytes].map(gigabytes),
    ]
  })
  const head = ['first start', 'requests', 'a second', 'with staging', 'program sent']
  return table([['nodes', ...head, 'read', 'with staging', 'program sent'], ...rows])
}

const sum = ({ program, transfer, extraction, start }: Staging): number => program + transfer + extraction + start

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(bytes < 9.95e9 ? 2 : 0)} GB`

process.stdout.write([oneNode(), withStaging(), withoutStaging(), published()].join('\n'))
