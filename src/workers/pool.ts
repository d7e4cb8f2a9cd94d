import { Worker } from 'node:worker_threads'
import { type ErrorCode, StageError } from '../errors.ts'
import type { ExtractReport, Job, PlainError, Report } from './protocol.ts'
import { workerUrl } from './worker-url.ts'

/**
 * Runs one worker thread for each job and resolves when all of them have ended. `onFailure` is called at the first
 * failure, so that the others can be told to stop; that failure is thrown once none runs any more.
 */
export async function runWorkers(jobs: readonly Job[], onFailure: () => void): Promise<ExtractReport[]> {
  const failed = (error: unknown): never => {
    onFailure()
    throw error
  }
  const outcomes = await Promise.allSettled(jobs.map((job) => runWorker(job).catch(failed)))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

/** Settles when the thread has ended, not before: what it was writing must not come after our removal of it. */
function runWorker(job: Job): Promise<ExtractReport> {
  return new Promise((resolve, reject) => {
    // Neither our own flags (--eval, --test) nor the user's NODE_OPTIONS are meant for it.
    const worker = new Worker(workerUrl(), { workerData: job, execArgv: [], env: {} })
    let report: Report | undefined
    let crash: unknown
    worker.on('message', (message: Report) => {
      report = message
    })
    worker.on('error', (error) => {
      crash = error
    })
    worker.on('exit', (code) => {
      if (report?.kind === 'done') resolve(report.result)
      else if (report?.kind === 'failed') reject(fromPlain(report.error))
      else reject(crash ?? new Error(`worker thread ended with code ${code} and no report`))
    })
  })
}

function fromPlain({ name, message, stack, code, path, hint }: PlainError): Error {
  if (name === 'StageError')
    return new StageError(code as ErrorCode, message, {
      ...(path !== undefined && { path }),
      ...(hint !== undefined && { hint }),
    })
  const error: NodeJS.ErrnoException = new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  if (code !== undefined) error.code = code
  return error
}
