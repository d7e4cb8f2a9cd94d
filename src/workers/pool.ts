import { Worker } from 'node:worker_threads'
import { type ErrorCode, StageError } from '../errors.ts'
import type { ExtractReport, FrameMessage, Job, PlainError, Report, WriteJob } from './protocol.ts'
import type { Piece } from './work-list.ts'
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

const runWorker = (job: Job): Promise<ExtractReport> => reportOf(startWorker(job))

// Neither our own flags (--eval, --test) nor the user's NODE_OPTIONS are meant for it.
const startWorker = (job: Job): Worker => new Worker(workerUrl(), { workerData: job, execArgv: [], env: {} })

/** Settles when the thread has ended, not before: what it was writing must not come after our removal of it. */
function reportOf(worker: Worker): Promise<ExtractReport> {
  return new Promise((resolve, reject) => {
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

interface FrameWorker {
  worker: Worker
  /** Settles when the thread has ended. */
  report: Promise<ExtractReport>
  /** Called in turn, as frames are written. */
  waiting: (() => void)[]
}

/** Worker threads that write frames as they come. */
export class FrameWorkers {
  readonly #workers: FrameWorker[]

  constructor(job: WriteJob, threads: number) {
    this.#workers = Array.from({ length: threads }, () => {
      const worker = startWorker(job)
      const waiting: FrameWorker['waiting'] = []
      worker.on('message', ({ kind }: Report) => {
        if (kind === 'written') waiting.shift()?.()
      })
      const report = reportOf(worker)
      // Whoever waits for a frame, or for the end, gets the failure.
      report.catch(() => {})
      return { worker, report, waiting }
    })
  }

  /**
   * Resolves when all that is in the frame is written, and `content` is free.
   * @param content in shared memory, from its beginning on
   * @throws what the worker has failed with
   */
  async write(content: Buffer, pieces: Piece[]): Promise<void> {
    const idlest = this.#workers.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a))
    const written = new Promise<void>((resolve) => idlest.waiting.push(resolve))
    const message = { kind: 'frame', content: content.buffer as SharedArrayBuffer, length: content.length, pieces }
    idlest.worker.postMessage(message as FrameMessage)
    const ended = idlest.report.then(() => {
      throw new Error('a worker thread has ended before its work')
    })
    await Promise.race([written, ended])
  }

  /** Waits for the threads to end, when they have written everything. */
  async end(): Promise<ExtractReport[]> {
    for (const { worker } of this.#workers) worker.postMessage({ kind: 'end' } satisfies FrameMessage)
    const outcomes = await Promise.allSettled(this.#workers.map(({ report }) => report))
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure !== undefined) throw failure.reason
    return await Promise.all(this.#workers.map(({ report }) => report))
  }

  /** Ends the threads wherever they are. Resolves when none writes any more. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()))
  }
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
