/** Figures as a table for people and as JSON to keep. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from './measure.ts'

type Unit = 's' | 'operations' | 'files' | 'MB' | 'bytes'

/** One value for each run; the table shows their median. */
export interface Figure {
  what: string
  unit: Unit
  ours: number[]
  /** The most that ours should be. */
  limit?: number
  against: Peer[]
  /** Requests to the slow file system during one of our runs, by kind: the counters of slowfs. */
  counts?: Record<string, number>
  note?: string
}

interface Peer {
  name: string
  values: number[]
  /** The most that ours divided by this peer's should be: a twentieth means 20 times faster. */
  limit?: number
}

export interface Report {
  date: string
  commit: string
  machine: Record<string, string | number>
  versions: Record<string, string>
  settings: Record<string, string | number>
  figures: Figure[]
}

/** One line for ours, and one for each peer. */
export function table(figures: readonly Figure[]): string {
  const lines = [['', 'median', 'ours : it', 'to reach', '']]
  for (const figure of figures) {
    const ours = median(figure.ours)
    lines.push([figure.what, quantity(ours, figure.unit), '', ...target(ours, figure.limit, figure.unit)])
    for (const { name, values, limit } of figure.against) {
      const theirs = median(values)
      lines.push([`  ${name}`, quantity(theirs, figure.unit), ratio(ours / theirs), ...target(ours / theirs, limit)])
    }
    if (figure.counts) lines.push([`  ${counted(figure.counts)}`])
    if (figure.note) lines.push([`  ${figure.note}`])
  }
  const columns = lines.filter((line) => line.length > 1)
  const widths = lines[0]!.map((_, i) => Math.max(...columns.map((line) => line[i]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Keeps the report in a file named after its date, and returns the path. */
export function keep(report: Report, folder: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${report.date.slice(0, 16).replace(':', '')}-${report.settings.environment}.json`)
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`)
  return file
}

function target(value: number, limit: number | undefined, unit?: Unit): [string, string] {
  if (limit === undefined) return ['', '']
  return [`<= ${unit ? quantity(limit, unit) : ratio(limit)}`, value <= limit ? 'reached' : 'NOT REACHED']
}

function quantity(value: number, unit: Unit): string {
  if (unit === 's') return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toPrecision(3)} s`
  if (unit === 'bytes') return `${(value / 1e6).toFixed(1)} MB`
  return `${Math.round(value)} ${unit}`
}

const ratio = (value: number): string => (value <= 0.2 ? `1 : ${(1 / value).toPrecision(3)}` : value.toPrecision(3))

function counted(counts: Record<string, number>): string {
  const some = Object.entries(counts).filter(([, value]) => value > 0)
  return some.map(([name, value]) => `${name} ${Math.round(value)}`).join(', ')
}
