import { StageError } from '../errors.ts'
import { USUAL_STARTS_TO_PAY } from '../model/cost.ts'
import { type TimedRun, type Times, timedRun } from './timed-run.ts'
import { type Copy, type EvidenceOptions, withCopy } from './with-copy.ts'

/** How long a command takes from one of the two. */
interface Side {
  prefix: string
  /** What the node knows of its files then is what happened to be there before, and, of a copy, what staging has just written. */
  first: Times
  /** The starts after that, in the order of their time. */
  repeated: Times[]
  median: Times
}

export interface Benchmark {
  command: readonly string[]
  runs: number
  original: Side
  copy: Side
  /** How many times as long the original takes. */
  ratio: { first: number; repeated: number }
  staging: {
    /** What making or joining the copy took here. Missing if it was active already. */
    seconds?: number
    /** It was there already. */
    joined: boolean
  }
  /** The original's first start took longer than the others. Otherwise the node had its files in memory already. */
  firstWasCold: boolean
  /** After how many starts staging has paid for itself, by the times of repeated starts; null: never. */
  startsToPay: number | null
  /** Whether staging is worth it for this command, and why not. */
  pays: boolean
  why: string
}

export interface BenchmarkOptions extends EvidenceOptions {
  /** Starts of each, after the first one. */
  runs: number
  onRun?(done: number, all: number): void
  /** Called when all is measured, while the copy is still there. */
  afterwards?(copy: Copy): Promise<void>
}

/**
 * Runs a command from the original and from a copy, in turns. The original's first start comes before anything is staged.
 * @throws StageError COMMAND_FAILED as soon as the command fails, NO_PROGRAM without bash, and as `stage`
 */
export async function benchmark(options: BenchmarkOptions): Promise<Benchmark> {
  const { command, runs, env, cwd, signal, onRun = () => {} } = options
  const all = 2 * (runs + 1)
  let done = 0
  const runFrom = async (prefix: string, before: readonly string[]): Promise<Times> => {
    const { status, said, ...times } = await timedRun(before, command, { env, cwd, signal })
    if (status !== 0) throw failed({ command, status, said, prefix })
    onRun(++done, all)
    return times
  }
  const isMade = { value: false }
  const onProgress: NonNullable<EvidenceOptions['onProgress']> = (event) => {
    if (event.kind === 'phase' && (event.phase === 'pack' || event.phase === 'extract')) isMade.value = true
    options.onProgress?.(event)
  }
  let firstOfOriginal: Times | undefined
  const beforeStaging = async (prefix: string, into: readonly string[]) => {
    firstOfOriginal = await runFrom(prefix, into)
  }
  return await withCopy({ ...options, onProgress, beforeStaging }, async (ready) => {
    const { original, prefix, seconds, into } = ready
    const [intoOriginal, intoCopy] = [await into(original), await into(prefix)]
    const first = { original: firstOfOriginal!, copy: await runFrom(prefix, intoCopy) }
    const repeated = { original: [] as Times[], copy: [] as Times[] }
    for (let run = 0; run < runs; run++) {
      repeated.original.push(await runFrom(original, intoOriginal))
      repeated.copy.push(await runFrom(prefix, intoCopy))
    }
    await options.afterwards?.(ready)
    const side = (which: 'original' | 'copy', at: string): Side => ({
      prefix: at,
      first: first[which],
      repeated: repeated[which],
      median: medianOf(repeated[which]),
    })
    const sides = { original: side('original', original), copy: side('copy', prefix) }
    const staging = { ...(seconds !== undefined && { seconds }), joined: !isMade.value }
    return { command, runs, ...sides, ...judged(sides, seconds ?? 0), staging }
  })
}

/** Seconds. The clock tells no less. */
const TICK = 0.001

const times = (longer: Times, shorter: Times): number => Math.max(longer.real, TICK) / Math.max(shorter.real, TICK)

/** Less than that is noise, whatever the clock says. */
const LEAST_GAIN = 1.1
/** So much is none, however few starts there were. */
const CLEAR_GAIN = 2
/** Standard deviations: equal programs differ so much once in 40 times. */
const SURE = 2

function judged(
  { original, copy }: { original: Side; copy: Side },
  seconds: number,
): Pick<Benchmark, 'ratio' | 'firstWasCold' | 'startsToPay' | 'pays' | 'why'> {
  const ratio = { first: times(original.first, copy.first), repeated: times(original.median, copy.median) }
  const firstWasCold = original.first.real >= LEAST_GAIN * original.median.real
  const gain = original.median.real - copy.median.real
  const no = (why: string) => ({ ratio, firstWasCold, startsToPay: null, pays: false, why })
  if (ratio.repeated < LEAST_GAIN || gain < 2 * TICK)
    return no('a start from the copy takes as long as one from the original')
  if (ratio.repeated < CLEAR_GAIN && sureness(reals(original), reals(copy)) < SURE)
    return no('equal starts differ as much as these (--runs=20 measures more of them)')
  const startsToPay = Math.max(1, Math.ceil(seconds / gain))
  const pays = startsToPay <= USUAL_STARTS_TO_PAY
  const why = pays ? 'starts from the copy are faster' : 'it takes more starts than most people make from one copy'
  return { ratio, firstWasCold, startsToPay, pays, why }
}

const reals = ({ repeated }: Side): number[] => repeated.map(({ real }) => real)

/**
 * How surely the first times are longer than the second, in standard deviations: the rank test of Mann and Whitney, which knows
 * nothing of how times are distributed, and which a single outlier does not impress.
 */
function sureness(longer: readonly number[], shorter: readonly number[]): number {
  const pairs = longer.length * shorter.length
  const won = longer.flatMap((one) => shorter.map((other) => (one > other ? 1 : one === other ? 0.5 : 0)))
  const sum = won.reduce((total: number, each) => total + each, 0)
  return (sum - pairs / 2) / Math.sqrt((pairs * (longer.length + shorter.length + 1)) / 12)
}

function medianOf(all: readonly Times[]): Times {
  const of = (name: keyof Times): number => {
    const sorted = all.map((times) => times[name]).sort((a, b) => a - b)
    const middle = sorted.length >> 1
    return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  }
  return { real: of('real'), user: of('user'), sys: of('sys') }
}

function failed({
  command,
  status,
  said,
  prefix,
}: Pick<TimedRun, 'status' | 'said'> & { command: readonly string[]; prefix: string }): StageError {
  return new StageError('COMMAND_FAILED', `${command.join(' ')} ended with status ${status}, from ${prefix}`, {
    path: prefix,
    lines: said.split('\n').filter(Boolean).slice(-5),
    hint: 'Nothing was measured. Give a command that succeeds without input, such as one with --version.',
  })
}
