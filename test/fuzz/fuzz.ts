import type { Coverage } from './coverage.ts'
import { mutated } from './mutate.ts'
import { Random } from './random.ts'

/** Something that takes bytes from strangers. */
export interface Target {
  /** What its code is: parts of addresses of files. */
  files: readonly string[]
  /** Good inputs to start from. */
  seeds(): Buffer[]
  /** Texts that mean something to it. */
  words: readonly string[]
  /** Changes an input in ways of its own. */
  change?(bytes: Buffer, random: Random): Buffer
  /** Makes sums right that would stop nearly all mutated inputs at once. */
  repair?(bytes: Buffer): Buffer
  /** Throws if anything happens that must not. */
  run(bytes: Buffer): Promise<void> | void
}

interface Finding {
  input: Buffer
  error: string
}

export interface Outcome {
  executions: number
  /** Inputs that ran something new. */
  corpus: number
  coverage: { run: number; all: number }
  findings: Finding[]
}

export interface FuzzOptions {
  seed: number
  /** Ends after so many, or after so many milliseconds. */
  executions?: number
  milliseconds?: number
  /** Called before each run, so that another thread can tell what never comes back. */
  onInput?(bytes: Buffer): void
}

const LONGEST = 32 * 1024
/** One run takes a millisecond. This is no slow machine any more. */
const TOO_SLOW = 5000
/** The same mistake comes again and again. */
const MOST_FINDINGS = 20

/** Asking what ran takes as long as a few inputs. In most cases nothing new did. */
const AT_ONCE = 16

/** Runs a target with inputs that change at random, and goes on with those that run new code. */
export async function fuzz(target: Target, coverage: Coverage, options: FuzzOptions): Promise<Outcome> {
  const { seed, executions = Number.POSITIVE_INFINITY, milliseconds = Number.POSITIVE_INFINITY } = options
  const random = new Random(seed)
  const corpus: Buffer[] = []
  const findings = new Map<string, Finding>()
  const began = performance.now()
  let done = 0
  const run = async (input: Buffer): Promise<void> => {
    options.onInput?.(input)
    const error = await failureOf(target, input)
    done++
    if (error !== undefined) findings.set(placeOf(error), { input, error })
  }
  const keepIfNew = async (input: Buffer): Promise<void> => {
    await run(input)
    if (coverage.isNew({ keep: true })) corpus.push(input)
  }
  const next = (): Buffer => {
    // The latest are the most promising.
    const recent = random.oneIn(2) ? Math.max(0, corpus.length - 30) : 0
    const base = corpus[recent + random.below(corpus.length - recent)]!
    const changed = target.change && !random.oneIn(4) ? target.change(base, random).subarray(0, LONGEST) : undefined
    const input = changed ?? mutated(base, random, { others: corpus, words: target.words, longest: LONGEST })
    return target.repair && !random.oneIn(8) ? target.repair(input) : input
  }
  for (const input of target.seeds()) await keepIfNew(input)
  while (done < executions && performance.now() - began < milliseconds && findings.size < MOST_FINDINGS) {
    const inputs = Array.from({ length: AT_ONCE }, next)
    for (const input of inputs) await run(input)
    if (coverage.isNew({ keep: false })) for (const input of inputs) await keepIfNew(input)
  }
  return {
    executions: done,
    corpus: corpus.length,
    coverage: coverage.of(target.files),
    findings: [...findings.values()],
  }
}

/** What went wrong with an input; undefined if nothing. */
export async function failureOf(target: Target, input: Buffer): Promise<string | undefined> {
  const began = performance.now()
  try {
    await target.run(Buffer.from(input))
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const took = performance.now() - began
  return took > TOO_SLOW ? `it took ${Math.round(took)} ms` : undefined
}

/** Where an error was thrown, which tells one mistake from another. */
const placeOf = (error: string): string => /^ +at .*$/m.exec(error)?.[0] ?? error
