import { Worker } from 'node:worker_threads'
import { compressInPool, type Format } from '../archive/codec.ts'
import { type ErrorCode, StageError } from '../errors.ts'
import { displayPath } from '../model/byte-path.ts'
import { isMemoryLimited, limitFailure, limitTooLow, SMALL_CODE_RANGE, threadsThatFit } from '../platform/limits.ts'
import { answerTo, whenAbandoned } from '../platform/waiting.ts'
import { decodeFiles, encodeNames } from './packed-files.ts'
import type {
  ExtractReport,
  FrameReply,
  FrameRequest,
  Job,
  Packed,
  PackOrder,
  PackRequest,
  PlainError,
  Report,
  Target,
} from './protocol.ts'
import type { Piece } from './work-list.ts'
import { workerUrl } from './worker-url.ts'

/**
 * Runs a job in several worker threads, or in fewer if limits leave no room for them, and resolves when all have reported.
 * `onFailure` is called at a failure, to stop the other threads. Once none works any more, the first failure is thrown.
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

/**
 * The report is the last thing that a thread does: after that nothing is written any more, and the caller may remove what was. A
 * thread may not end after it, because a file server does not answer a read that nobody wants now.
 */
function reportOf(worker: Worker): Promise<ExtractReport> {
  return new Promise((resolve, reject) => {
    let crash: unknown
    worker.on('message', (report: Report) => {
      if (report.kind === 'done') resolve(report.result)
      else reject(fromPlain(report.error))
    })
    worker.on('error', (error) => {
      crash = limitFailure(error)
    })
    worker.on('exit', (code) => reject(crash ?? new Error(`worker thread ended with code ${code} and no report`)))
  })
}

type Request = FrameRequest | PackRequest

interface FrameWorker {
  thread: Worker
  /** Requests that it has not answered yet, in order. */
  waiting: (PromiseWithResolvers<FrameReply> & Pick<Request, 'kind'>)[]
}

/** Worker threads that pack, compress and write frames. A thread starts when there is work for it. */
export class FrameWorkers {
  readonly #threads: number
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  readonly #undo: () => void
  #workers: FrameWorker[] = []

  /** @param threads at most; fewer if limits leave no room for them */
  constructor(threads: number) {
    this.#threads = Math.min(threads, threadsThatFit())
    this.#undo = whenAbandoned(() => this.#abandon())
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
  async pack({ files, ...order }: PackOrder): Promise<Packed> {
    const reading = new Int32Array(new SharedArrayBuffer(4)).fill(-1)
    const request: PackRequest = { kind: 'pack', names: encodeNames(files), reading, ...order }
    const reply = await answerTo(() => this.#ask(request), {
      path: () => `${order.prefix}/${displayPath(files[Math.max(0, reading[0]!)]!.path)}`,
      progress: () => (reading[0] === -1 ? undefined : reading[0]),
    })
    if (reply.kind !== 'packed') throw unexpected(reply)
    const { packed, copies, ...rest } = reply
    const failure = copies?.failure === undefined ? {} : { failure: fromPlain(copies.failure as PlainError) }
    return { files: decodeFiles(packed), ...rest, ...(copies && { copies: { ...copies, ...failure } }) }
  }

  /** Ends the threads at once, whatever they are doing. Resolves when all have ended, if they can. */
  async end(): Promise<void> {
    this.#undo()
    const ended = () => Promise.all(this.#workers.map(({ thread }) => thread.terminate()))
    await answerTo(ended, { path: () => 'a thread', progress: () => undefined }).catch(() => {})
  }

  #ask(request: Request): Promise<FrameReply> {
    const answered = Promise.withResolvers<FrameReply>()
    if (Atomics.load(this.#stop, 0) === 1) answered.reject(abandoned())
    else {
      const { thread, waiting } = this.#idlest()
      waiting.push({ ...answered, kind: request.kind })
      thread.postMessage(request)
    }
    return answered.promise
  }

  /**
   * Nobody waits for a file server any more, but for what is being written: it is to be removed. A thread that hangs in a read does
   * nothing of what it was asked for after that.
   */
  #abandon(): void {
    Atomics.store(this.#stop, 0, 1)
    for (const { waiting } of this.#workers) {
      const first = waiting[0]?.kind === 'pack' ? 0 : 1
      for (const { reject } of waiting.splice(first)) reject(abandoned())
    }
  }

  #idlest(): FrameWorker {
    const idlest = this.#workers.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a), this.#workers[0]!)
    if (idlest === undefined) return this.#start()
    const startsAnother = idlest.waiting.length > 0 && this.#workers.length < this.#threads && threadsThatFit() > 0
    return startsAnother ? this.#start() : idlest
  }

  #start(): FrameWorker {
    const worker: FrameWorker = { thread: startWorker({ kind: 'frames', stop: this.#stop }), waiting: [] }
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

const abandoned = (): StageError => new StageError('CANCELLED', 'Packing was cancelled')

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
