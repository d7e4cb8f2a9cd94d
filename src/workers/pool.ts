import { Worker } from 'node:worker_threads'
import { compressInPool, type Format } from '../archive/codec.ts'
import { type ErrorCode, StageError } from '../errors.ts'
import { isMemoryLimited, limitFailure, limitTooLow, SMALL_CODE_RANGE, threadsThatFit } from '../platform/limits.ts'
import { decodeFiles, encodeNames, type PackedFiles } from './packed-files.ts'
import type {
  ExtractReport,
  FrameReply,
  FrameRequest,
  Job,
  PackOrder,
  PackRequest,
  PlainError,
  Report,
  Target,
} from './protocol.ts'
import type { Piece } from './work-list.ts'
import { workerUrl } from './worker-url.ts'

/**
 * Runs a job in several worker threads, or in fewer if limits leave no room for them, and resolves when all have ended.
 * `onFailure` is called at a failure, to stop the other threads. Once none runs any more, the first failure is thrown.
 */
export async function runWorkers(job: Job, threads: number, onFailure: () => void): Promise<ExtractReport[]> {
  const failed = (error: unknown): never => {
    onFailure()
    throw error
  }
  const fitting = Math.max(1, Math.min(threads, threadsThatFit()))
  const outcomes = await Promise.allSettled(Array.from({ length: fitting }, () => runWorker(job).catch(failed)))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

const runWorker = async (job: Job): Promise<ExtractReport> => await reportOf(startWorker(job))

/** @throws StageError LIMIT_TOO_LOW */
function startWorker(job: Job): Worker {
  if (threadsThatFit() < 1) throw limitTooLow()
  const limits = isMemoryLimited() ? SMALL_CODE_RANGE : {}
  // Neither our own flags (--eval, --test) nor the user's NODE_OPTIONS are meant for a worker.
  return new Worker(workerUrl(), { workerData: job, execArgv: [], env: {}, ...limits })
}

/** Settles only when the thread has ended: nothing may be written any more when the caller removes what was written. */
function reportOf(worker: Worker): Promise<ExtractReport> {
  return new Promise((resolve, reject) => {
    let report: Report | undefined
    let crash: unknown
    worker.on('message', (message: Report) => {
      report = message
    })
    worker.on('error', (error) => {
      crash = limitFailure(error)
    })
    worker.on('exit', (code) => {
      if (report?.kind === 'done') resolve(report.result)
      else if (report?.kind === 'failed') reject(fromPlain(report.error))
      else reject(crash ?? new Error(`worker thread ended with code ${code} and no report`))
    })
  })
}

interface FrameWorker {
  thread: Worker
  /** Requests that it has not answered yet, in order. */
  waiting: PromiseWithResolvers<FrameReply>[]
}

/** Worker threads that pack, compress and write frames. A thread starts when there is work for it. */
export class FrameWorkers {
  readonly #threads: number
  #workers: FrameWorker[] = []

  /** @param threads at most; fewer if limits leave no room for them */
  constructor(threads: number) {
    this.#threads = Math.min(threads, threadsThatFit())
  }

  /**
   * @param content a whole piece of shared memory, or its beginning; it must not change before the promise settles
   * @throws zlib's errors
   */
  async compress(format: Format, content: Buffer, level: number): Promise<Buffer> {
    const isLittle = this.#workers.length === 0 && content.length < LITTLE
    if (isLittle || (format !== 'tar.zst' && format !== 'tar.gz')) return await compressInPool(format, content, level)
    const reply = await this.#ask({ kind: 'compress', ...memoryOf(content), format, level })
    if (reply.kind !== 'compressed') throw unexpected(reply)
    const { buffer, byteOffset, length } = reply.data
    return Buffer.from(buffer, byteOffset, length)
  }

  /**
   * Writes the pieces of files that are in the frame.
   * @param content as for `compress`
   * @throws the file system's errors
   */
  async write(content: Buffer, pieces: Piece[], target: Target): Promise<ExtractReport> {
    const reply = await this.#ask({ kind: 'write', ...memoryOf(content), pieces, target })
    if (reply.kind !== 'written') throw unexpected(reply)
    return reply.report
  }

  /**
   * Reads files into a frame, and compresses it.
   * @throws StageError UNREADABLE, CHANGED; zlib's errors
   */
  async pack({ files, ...order }: PackOrder): Promise<PackedFiles> {
    const reply = await this.#ask({ kind: 'pack', names: encodeNames(files), ...order })
    if (reply.kind !== 'packed') throw unexpected(reply)
    const { packed, ...rest } = reply
    return { files: decodeFiles(packed), ...rest }
  }

  /** Ends the threads at once, whatever they are doing. Resolves when all have ended. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()))
  }

  #ask(request: FrameRequest | PackRequest): Promise<FrameReply> {
    const answered = Promise.withResolvers<FrameReply>()
    const { thread, waiting } = this.#idlest()
    waiting.push(answered)
    thread.postMessage(request)
    return answered.promise
  }

  #idlest(): FrameWorker {
    const idlest = this.#workers.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a), this.#workers[0]!)
    if (idlest === undefined) return this.#start()
    const startsAnother = idlest.waiting.length > 0 && this.#workers.length < this.#threads && threadsThatFit() > 0
    return startsAnother ? this.#start() : idlest
  }

  #start(): FrameWorker {
    const worker: FrameWorker = { thread: startWorker({ kind: 'frames' }), waiting: [] }
    const { thread, waiting } = worker
    let crash: unknown
    thread.on('message', (reply: FrameReply) => waiting.shift()?.resolve(reply))
    thread.on('error', (error) => {
      crash = limitFailure(error)
    })
    thread.on('exit', (code) => {
      this.#workers = this.#workers.filter((other) => other !== worker)
      const error = crash ?? new Error(`a worker thread ended with code ${code} before its work`)
      for (const { reject } of waiting.splice(0)) reject(error)
    })
    this.#workers.push(worker)
    return worker
  }
}

/** Bytes that are compressed in the time that a thread takes to start. */
const LITTLE = 2 * 1024 * 1024

const memoryOf = ({ buffer, length }: Buffer) => ({ content: buffer as SharedArrayBuffer, length })

const unexpected = (reply: FrameReply): Error =>
  reply.kind === 'failed' ? fromPlain(reply.error) : new TypeError(`a worker thread answered with ${reply.kind}`)

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
  if (path !== undefined) error.path = path
  return error
}
