import { parentPort, workerData } from 'node:worker_threads'
import { Coverage } from './coverage.ts'
import type { FuzzOptions } from './fuzz.ts'

/** What `runTarget` asks of a thread. */
export interface Task extends Omit<FuzzOptions, 'onInput'> {
  target: string
  /** The length of the latest input, then its bytes: what is left of a thread that never comes back. */
  latest: SharedArrayBuffer
}

const { target, latest, ...options } = workerData as Task
const [length, bytes] = [new Int32Array(latest, 0, 1), new Uint8Array(latest, 4)]
const coverage = new Coverage()
const [{ fuzz }, { prepareTargets, targets }] = await Promise.all([import('./fuzz.ts'), import('./targets.ts')])
coverage.begin()
await prepareTargets()
const outcome = await fuzz(targets[target]!, coverage, {
  ...options,
  onInput(input) {
    bytes.set(input)
    Atomics.store(length, 0, input.length)
  },
})
coverage.end()
parentPort!.postMessage(outcome)
