import type { Benchmark } from '../../evidence/benchmark.ts'
import type { Times } from '../../evidence/timed-run.ts'
import { counted } from '../../model/amounts.ts'
import { heading } from './messages.ts'
import { shown } from './shown.ts'

/** For people: the times of both, the ratio, and whether it pays. */
export function benchmarkText(result: Benchmark): string {
  const { command, runs, original, copy, ratio, firstWasCold } = result
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(22)}${cells.map((cell) => cell.padStart(10)).join('')}\n`
  const times = (name: string, { real, user, sys }: Times) => row(name, [real, user, sys].map(seconds))
  return [
    `${shown(command.join(' '))}\n\n`,
    heading(row('', ['real', 'user', 'sys']).trimEnd()),
    '\n',
    times('original, first start', original.first),
    times('copy, first start', copy.first),
    times('original, repeated', original.median),
    times('copy, repeated', copy.median),
    `\nRepeated: medians of ${counted(runs, 'start')} of each, in turns\n`,
    `${faster(ratio.first, 'A first start')}\n${faster(ratio.repeated, 'A repeated start')}\n`,
    ...(firstWasCold ? [] : [`${NOT_COLD}\n`]),
    ...verdictOf(result).map((line) => `${shown(line)}\n`),
  ].join('')
}

/** Nobody but root can make a node forget what it has read. */
export const NOT_COLD = "The original's first start was not a cold one: this node had its files in memory already"

const seconds = (amount: number): string => `${amount.toFixed(amount < 10 ? 3 : 1)} s`

/** In a sentence. */
export const faster = (ratio: number, what: string): string =>
  ratio.toFixed(1) === '1.0'
    ? `${what} takes as long from the copy`
    : ratio > 1
      ? `${what} is ${ratio.toFixed(1)} times as fast from the copy`
      : `${what} is slower from the copy: it takes ${(1 / ratio).toFixed(1)} times as long`

/** Whether staging is worth it, in sentences. */
export function verdictOf({ staging, startsToPay, pays, why }: Benchmark): string[] {
  const { seconds: took, joined } = staging
  const made =
    took === undefined
      ? 'The copy was active already'
      : joined
        ? `The copy was there already: joining it took ${seconds(took)}`
        : `Staging took ${seconds(took)}`
  if (startsToPay === null) return [`${made}.`, `Staging is not worth it for this command: ${why}.`]
  const paid = `${made}${took === undefined ? '' : `, and has paid for itself after ${counted(startsToPay, 'start')}`}.`
  return pays ? [paid] : [paid, `Staging is hardly worth it for this command alone: ${why}.`]
}
