import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Benchmark } from '../../../evidence/benchmark.ts'
import type { Machine } from '../../../evidence/machine.ts'
import type { Proof } from '../../../evidence/proof.ts'
import { counted, grouped, megabytes } from '../../../model/amounts.ts'
import { faster, NOT_COLD, verdictOf } from '../benchmark-text.ts'
import { benchmarkCharts, proofChart } from './charts-of.ts'
import { code, escaped, figure, paragraph, table } from './html.ts'

export interface Report {
  command: readonly string[]
  benchmark?: Benchmark
  proof?: Proof
  /** Why there is no proof beside the times. */
  noProof?: string
  machine: Machine
  versions: Readonly<Record<string, string>>
  /** ISO 8601. */
  written: string
}

const TEMPLATE = fileURLToPath(new URL('./templates/report.html', import.meta.url))

/** One page that needs nothing else. */
export function reportPage(report: Report): string {
  const { command, benchmark, proof, noProof, written, machine } = report
  const title = `conda-stage: ${command.join(' ')}`
  const content = [
    `<h1>${code(command.join(' '))}</h1>`,
    `<p class="quiet">on ${escaped(machine.host)}, ${escaped(written.slice(0, 16).replace('T', ' '))} UTC</p>`,
    ...(benchmark ? timesOf(benchmark) : []),
    ...(proof ? lookUpsOf(proof) : []),
    ...(noProof === undefined ? [] : ['<h2>Where it looks for its files</h2>', paragraph(noProof)]),
    ...machineOf(report),
  ].join('\n')
  const parts: Record<string, string> = {
    title: escaped(title),
    content,
    footer: escaped(
      `Written by conda-stage ${report.versions['conda-stage']}. docs/evidence.md says what was measured and how.`,
    ),
  }
  return readFileSync(TEMPLATE, 'utf8').replace(/\{\{(\w+)\}\}/g, (_, name: string) => parts[name] ?? '')
}

function timesOf(result: Benchmark): string[] {
  const { original, copy, ratio, firstWasCold, pays, runs } = result
  const row = (name: string, { real, user, sys }: Benchmark['original']['median']) => [
    name,
    ...[real, user, sys].map((amount) => ({ number: amount.toFixed(3) })),
  ]
  const gains = [faster(ratio.first, 'A first start'), faster(ratio.repeated, 'A repeated start')]
  const sentences = [...gains, ...(firstWasCold ? [] : [NOT_COLD])].map((text) => `${text}.`)
  return [
    '<h2>How long it takes</h2>',
    `<div class="verdict${pays ? '' : ' no'}">${[...sentences, ...verdictOf(result)].map(paragraph).join('')}</div>`,
    ...benchmarkCharts(result).map(figure),
    table(
      ['from', 'real (s)', 'user (s)', 'sys (s)'],
      [
        row('original, first start', original.first),
        row('copy, first start', copy.first),
        row('original, repeated', original.median),
        row('copy, repeated', copy.median),
      ],
    ),
    paragraph(
      `Repeated: medians of ${counted(runs, 'start')} of each, in turns. The original's first start came before anything was staged, and found what the node happened to remember; the copy's came right after its files were written.`,
    ),
  ]
}

function lookUpsOf(proof: Proof): string[] {
  const { lookUps, notFound, files, touched, lookUpsOfOriginal, remaining, mounts } = proof
  const sentences = [
    `${counted(lookUps, 'look-up')} from the copy, of which ${grouped(notFound)} found nothing there. ${grouped(touched)} of ${counted(files, 'file')} of the environment were looked at.`,
    lookUpsOfOriginal === 0
      ? 'The original was not asked for anything.'
      : `The original was asked for ${counted(lookUpsOfOriginal, 'name')}.`,
  ]
  return [
    '<h2>Where it looks for its files</h2>',
    `<div class="verdict${lookUpsOfOriginal > 0 ? ' no' : ''}">${sentences.map(paragraph).join('')}</div>`,
    figure(proofChart(proof)),
    table(
      ['file system', 'mounted at', 'look-ups', 'found nothing'],
      mounts.map((mount) => [
        mount.fsType,
        mount.mountPoint,
        { number: grouped(mount.lookUps) },
        { number: grouped(mount.notFound) },
      ]),
    ),
    ...(remaining.length > 0 ? ['<h3>What is still looked up on file servers, and why</h3>', '<ul>'] : []),
    ...remaining.map(
      ({ folder, fsType, why, remedy, ...count }) =>
        `<li>${escaped(counted(count.lookUps, 'look-up'))} on ${escaped(fsType)}: ${code(folder)}<br>${escaped(`${why}.`)}<br>${escaped(remedy)}</li>`,
    ),
    ...(remaining.length > 0 ? ['</ul>'] : []),
  ]
}

function machineOf({ machine, versions }: Report): string[] {
  const { cpu, cores, memory, folders } = machine
  return [
    '<h2>Where it was measured</h2>',
    table(
      ['folder', 'path', 'file system', 'a look-up (ms)'],
      folders.map(({ what, path, fsType, isNetwork, lookUpMs }) => [
        what,
        path,
        `${fsType}${isNetwork ? ' (network)' : ''}`,
        { number: lookUpMs.toFixed(lookUpMs < 1 ? 3 : 1) },
      ]),
    ),
    table(
      ['machine', ''],
      [
        ['processor', `${cpu}, ${cores} cores`],
        ['memory', megabytes(memory)],
        ...Object.entries(versions).map(([what, which]) => [what, which]),
      ],
    ),
  ]
}
