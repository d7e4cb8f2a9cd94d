import { Worker } from 'node:worker_threads'
import type { FuzzOptions, Outcome } from './fuzz.ts'
import type { Task } from './worker.ts'

const ROOM = 64 * 1024
/** An input may take this long, in milliseconds. */
const PATIENCE = 60_000

/** Fuzzes a target in a thread of its own, which is ended if an input never comes back. */
export function runTarget(target: string, options: Omit<FuzzOptions, 'onInput'>): Promise<Outcome> {
  const latest = new SharedArrayBuffer(4 + ROOM)
  const [length, bytes] = [new Int32Array(latest, 0, 1), Buffer.from(latest, 4)]
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { ...options, target, latest } satisfies Task,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  const lost = (error: string): Outcome => {
    const input = Buffer.from(bytes.subarray(0, length[0]))
    return { executions: 0, corpus: 0, coverage: { run: 0, all: 0 }, findings: [{ input, error }] }
  }
  return new Promise((resolve) => {
    let before = Buffer.alloc(0)
    const watch = setInterval(() => {
      const now = Buffer.from(bytes.subarray(0, length[0]))
      if (now.length > 0 && now.equals(before)) void end(lost(`it did not come back within ${PATIENCE / 1000} s`))
      before = now
    }, PATIENCE)
    const end = async (outcome: Outcome) => {
      clearInterval(watch)
      await worker.terminate()
      resolve(outcome)
    }
    worker.on('message', end)
    worker.on('error', (error) => void end(lost((error as Error).stack ?? String(error))))
  })
}
