import type { Benchmark } from '../../../evidence/benchmark.ts'
import type { Proof } from '../../../evidence/proof.ts'
import type { Chart } from './charts.ts'

/** What the times are made of; and what many starts take. */
export function benchmarkCharts({ original, copy, staging, startsToPay }: Benchmark): Chart[] {
  const rows = [original.first, copy.first, original.median, copy.median]
  // Several cores may work at the same time.
  const waiting = rows.map(({ real, user, sys }) => round(Math.max(0, real - user - sys)))
  const times: Chart = {
    title: 'What the time is spent on',
    says: `From the original ${original.median.real.toFixed(2)} seconds, from the copy ${copy.median.real.toFixed(2)}.`,
    kind: 'bars',
    unit: 'seconds',
    names: ['original, first start', 'copy, first start', 'original, repeated', 'copy, repeated'],
    series: [
      { name: 'user', values: rows.map(({ user }) => round(user)) },
      { name: 'sys', values: rows.map(({ sys }) => round(sys)) },
      { name: 'waiting', values: waiting },
    ],
  }
  const starts = Math.max(10, Math.min(100, 2 * (startsToPay ?? 0)))
  const line = (before: number, each: number) =>
    [0, starts].map((count) => [count, round(before + count * each)] as const)
  const sum: Chart = {
    title: 'What many starts take, with the time of staging',
    says: startsToPay === null ? 'The lines do not meet.' : `The lines meet after ${startsToPay} starts.`,
    kind: 'lines',
    unit: 'seconds',
    names: ['starts'],
    series: [
      { name: 'from the original', values: line(0, original.median.real) },
      { name: 'staged first', values: line(staging.seconds ?? 0, copy.median.real) },
    ],
  }
  return [times, sum]
}

/** More of them are no picture any more. The table has all. */
const MOST_MOUNTS = 8

/** Who answers the look-ups. */
export function proofChart({ mounts }: Proof): Chart {
  const others = mounts.slice(MOST_MOUNTS)
  const bars = mounts.slice(0, MOST_MOUNTS).map(({ fsType, mountPoint, kind, ...counts }) => ({
    ...counts,
    name: `${shortened(mountPoint, 24)} (${kind === 'kernel' ? 'kernel' : shortened(fsType, 12)})`,
  }))
  const sum = (of: 'lookUps' | 'notFound') => others.reduce((total, each) => total + each[of], 0)
  if (others.length > 0)
    bars.push({ ...others[0]!, name: `${others.length} others`, lookUps: sum('lookUps'), notFound: sum('notFound') })
  return {
    title: 'Look-ups by file system',
    says: mounts.map(({ mountPoint, lookUps }) => `${lookUps} on ${mountPoint}`).join(', '),
    kind: 'bars',
    unit: 'look-ups',
    breaksWords: true,
    names: bars.map(({ name }) => name),
    series: [
      { name: 'found', values: bars.map(({ lookUps, notFound }) => lookUps - notFound) },
      { name: 'found nothing', values: bars.map(({ notFound }) => notFound) },
    ],
  }
}

/** Beside a bar there is room for three short lines. The ends of a path tell most. */
function shortened(text: string, most: number): string {
  const half = (most - 1) >> 1
  return text.length <= most ? text : `${text.slice(0, half)}\u2026${text.slice(-half)}`
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000
