import { parentPort, workerData } from 'node:worker_threads'
import { extractFrames } from './extract-frames.ts'
import { type ExtractReport, type Job, type Report, toPlain } from './protocol.ts'
import { serveFrames } from './serve-frames.ts'

async function run(job: Job): Promise<ExtractReport> {
  return job.kind === 'extract' ? await extractFrames(job) : await serveFrames(parentPort!)
}

run(workerData as Job)
  .then(
    (result): Report => ({ kind: 'done', result }),
    (error: unknown): Report => ({ kind: 'failed', error: toPlain(error) }),
  )
  .then((report) => parentPort!.postMessage(report))
