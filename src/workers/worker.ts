import { parentPort, workerData } from 'node:worker_threads'
import { extractFrames } from './extract-frames.ts'
import { type ExtractJob, type Job, type Report, toPlain } from './protocol.ts'
import { serveFrames } from './serve-frames.ts'

async function extract(job: ExtractJob): Promise<Report> {
  try {
    return { kind: 'done', result: await extractFrames(job) }
  } catch (error) {
    return { kind: 'failed', error: toPlain(error) }
  }
}

const job = workerData as Job
if (job.kind === 'frames') serveFrames(parentPort!, job.stop)
else extract(job).then((report) => parentPort!.postMessage(report))
