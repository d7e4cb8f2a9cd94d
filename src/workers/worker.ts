import { parentPort, workerData } from 'node:worker_threads'
import { extractFrames } from './extract-frames.ts'
import { type Job, type Report, toPlain } from './protocol.ts'

function run(job: Job): Report {
  try {
    return { kind: 'done', result: extractFrames(job) }
  } catch (error) {
    return { kind: 'failed', error: toPlain(error) }
  }
}

parentPort?.postMessage(run(workerData as Job))
