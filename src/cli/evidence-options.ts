import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'

/** Options of what measures and shows. */
export interface EvidenceOptions {
  /** Behind `--`; empty for actions that take none. */
  command: readonly string[]
  /** With --benchmark: starts of each, after the first one. */
  runs: number
  /** Value of --report: absolute. */
  report?: string
}

const MEASURES = ['proof', 'benchmark']

const USUAL_RUNS = 5
const MOST_RUNS = 1000

export function addEvidenceOptions(command: Command): Command {
  return command
    .option(
      '--proof',
      "run the command after '--' from the copy, and count where it looks names up: on local disk or on file servers",
    )
    .option('--benchmark', 'run it from the original and from the copy, in turns, and compare the times')
    .addOption(new Option('--runs <n>', `with --benchmark: how many times (default: ${USUAL_RUNS})`).argParser(count))
    .option('--doctor', 'check everything that staging depends on, and say what is broken and what to do')
    .option('--report <file>', 'with --proof and --benchmark: also write a page for a browser')
}

function count(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MOST_RUNS) return Number(text)
  throw new InvalidArgumentError(`Give a whole number from 1 to ${MOST_RUNS}.`)
}

/** Checks what goes with these actions. */
export function evidenceOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  command: readonly string[] | undefined,
  { cwd, usage }: { cwd: string; usage: (message: string) => Error },
): EvidenceOptions {
  const runs = (given.runs as number | undefined) ?? USUAL_RUNS
  if (given.runs !== undefined && action !== 'benchmark') throw usage('--runs works only with --benchmark')
  if (!MEASURES.includes(action)) {
    if (given.report !== undefined) throw usage('--report works only with --proof and --benchmark')
    return { command: [], runs }
  }
  if (!command?.length) throw usage(`--${action} needs a command: conda-stage --${action} -- COMMAND...`)
  for (const name of ['writable', 'nodes', 'mount'])
    if (given[name] !== undefined) throw usage(`--${action} and --${name} can't be combined`)
  if (given.report !== undefined && !/[^/]\.html?$/.test(given.report as string))
    throw usage('--report needs a file name that ends in .html')
  return { command, runs, ...(given.report !== undefined && { report: resolve(cwd, given.report as string) }) }
}
