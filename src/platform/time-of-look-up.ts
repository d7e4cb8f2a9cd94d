import { lstat } from 'node:fs/promises'
import { monotonicMs } from './clock.ts'
import { answerTo } from './waiting.ts'

/** Look-ups that are made. Some of them may be held up by something else. */
const MOST_SAMPLES = 5
/** After so many milliseconds, these do: nobody must notice that. */
const ENOUGH_MS = 20
const LEAST_SAMPLES = 3
/** The kernel answers for it from memory on every machine. */
const IN_MEMORY = '/proc'

/**
 * Milliseconds until a look-up in this folder is answered. It looks for names that nobody ever asked for: whatever the kernel or
 * a client of the file system remembers, it can't know these. A look-up takes a trip to the pool of threads, too, which busy CPUs
 * make longer: the same in memory, made in turns with the others, is subtracted.
 */
export async function timeOfLookUp(folder: string): Promise<number> {
  const asked: number[] = []
  const inMemory: number[] = []
  const started = monotonicMs()
  const isEnough = () => asked.length >= (monotonicMs() - started < ENOUGH_MS ? MOST_SAMPLES : LEAST_SAMPLES)
  while (!isEnough()) {
    inMemory.push(await timeOfMiss(IN_MEMORY))
    asked.push(await timeOfMiss(folder))
  }
  return Math.max(0, secondLeast(asked) - secondLeast(inMemory))
}

async function timeOfMiss(folder: string): Promise<number> {
  const name = `${folder}/.conda-stage-${Math.random().toString(36).slice(2)}`
  const started = monotonicMs()
  // Whoever needs the folder reports what is wrong with it.
  await answerTo(() => lstat(name), { path: () => folder }).catch(() => {})
  return monotonicMs() - started
}

const secondLeast = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[1]!
