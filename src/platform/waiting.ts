import { StageError } from '../errors.ts'
import { displayPath } from '../model/byte-path.ts'
import { monotonicMs } from './clock.ts'

/**
 * Calls that wait for a file server. It may never answer: then a thread hangs until the process ends. Those who wait are told
 * what for, and can be made to give up.
 */

export interface Awaited {
  /** For people. It is asked for only if somebody has to be told. */
  path(): string
  /** The call changes something, so that whoever made it has to know whether it did. */
  isChange?: boolean
  /** Part of the work, and none of what tidies up after it: it does not begin once calls are abandoned. */
  isWork?: boolean
  /** Of work in other threads: how far it is, and undefined while it does not wait for a server. */
  progress?(): number | undefined
  /** The work ends by itself when the process is to end, and nobody must go on before. */
  isBounded?: boolean
}

/** Of a path that node:fs takes. */
export const awaitedPath = (path: unknown): string =>
  Buffer.isBuffer(path) ? displayPath(path.toString('latin1')) : String(path)

interface Call {
  awaited: Awaited
  since: number
  progress: number | undefined
  isTold: boolean
  reject(error: StageError): void
}

/** In the order in which they began. */
const calls = new Set<Call>()

/** Calls that are under way in threads of the pool, and those that come next. */
let running = 0
const next: (() => void)[] = []
let atOnce = Number.POSITIVE_INFINITY

/**
 * Leaves some threads of the pool to calls that change something or tidy up: when all others hang, what was made can still be
 * removed.
 * @param pool how many threads there are
 */
export function reserveThreads(pool: number): void {
  atOnce = Math.max(1, pool - Math.min(4, Math.floor(pool / 2)))
}

/** A file server that is alive answers sooner, whatever it is doing. */
const LONG_MS = 5000
const LOOK_MS = 1000

let tell: (path: string) => void = () => {}
let watch: NodeJS.Timeout | undefined

/** Since when everybody gives up. What is under way or begins then, to tidy up, may take so long, and all together so long. */
let abandoned: number | undefined
const LAST_CALL_MS = 1000
const LAST_CALLS_MS = 3000

/** Makes a call. Settles as that does, or rejects if that is abandoned before. */
export function answerTo<T>(begin: () => Promise<T>, awaited: Awaited): Promise<T> {
  return new Promise((resolve, reject) => {
    const call: Call = { awaited, since: monotonicMs(), progress: undefined, isTold: false, reject }
    calls.add(call)
    if (abandoned !== undefined && awaited.isWork) return giveUp(call)
    if (abandoned !== undefined) giveUpSoon(call)
    else watch ??= setInterval(look, LOOK_MS).unref()
    const isInPool = !awaited.isChange && !awaited.progress
    const start = () => {
      if (isInPool) running++
      begin()
        .then(resolve, reject)
        .finally(() => {
          calls.delete(call)
          if (isInPool) running--
          if (running < atOnce) next.shift()?.()
        })
    }
    // When all is abandoned, calls that tidy up take the threads that were left.
    if (isInPool && running >= atOnce && abandoned === undefined) next.push(start)
    else start()
  })
}

/** Has somebody told of what is waited for, if that is long; of the first of several paths. */
export function onLongWait(body: (path: string) => void): void {
  tell = body
}

function look(): void {
  const now = monotonicMs()
  for (const call of calls) {
    const progress = call.awaited.progress?.()
    if (call.awaited.progress && (progress === undefined || progress !== call.progress)) call.since = now
    call.progress = progress
    if (call.isTold) return
    if (now - call.since < LONG_MS) continue
    call.isTold = true
    tell(call.awaited.path())
    return
  }
}

/** What is waited for so many milliseconds already, each path once. */
export function awaitedFor(ms: number): string[] {
  const now = monotonicMs()
  const long = [...calls].filter(({ since }) => now - since >= ms)
  return [...new Set(long.map(({ awaited }) => awaited.path()))]
}

const onAbandoned = new Set<() => void>()

/** Has this called when nobody waits any more. Returns the way to undo that. */
export function whenAbandoned(body: () => void): () => void {
  onAbandoned.add(body)
  return () => void onAbandoned.delete(body)
}

/** Nobody waits any more, now or later: the process is to end. */
export function abandonCalls(): void {
  abandoned ??= monotonicMs()
  clearInterval(watch)
  next.length = 0
  for (const call of [...calls])
    if (call.awaited.isChange) giveUpSoon(call)
    else if (!call.awaited.isBounded) giveUp(call)
  for (const body of onAbandoned) body()
}

function giveUpSoon(call: Call): void {
  if (call.awaited.isBounded) return
  const left = abandoned! + LAST_CALLS_MS - monotonicMs()
  setTimeout(giveUp, Math.max(0, Math.min(LAST_CALL_MS, left)), call)
}

function giveUp(call: Call): void {
  if (!calls.delete(call)) return
  const path = call.awaited.path()
  call.reject(new StageError('CANCELLED', `Waiting for ${path} was cancelled`, { path }))
}
