/** Runs a session and sends signals to its program at a moment that the caller names. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** System calls that change names, that hold and write files, and that change modes and times. */
const CALLS = {
  names: 'mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat',
  files: 'open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fsync,fdatasync,close,copy_file_range',
  modes: 'chmod,fchmod,fchmodat,utimensat',
} as const
export type CallKind = keyof typeof CALLS

export interface Kill {
  signal: 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'SIGINT'
  /** The program alone, or everything in its process group, as a terminal and schedulers do. */
  to: 'program' | 'group'
  times: 1 | 2
  /** After so many milliseconds, or as a thread of the program enters its n-th call of a kind. */
  at: { ms: number } | { kind: CallKind; nth: number }
}

export interface Ended {
  /** Exit status, or the name of the signal. */
  status: number | string
  stdout: string
  stderr: string
  ms: number
}

/** Only counts the calls. */
export const COUNT = 'count'

/** What the launcher of the tests is told by the variable ORDER: nothing, or strace's options. */
function orderOf(kill: Kill | typeof COUNT | undefined): string {
  if (kill === COUNT) return `-e trace=${Object.values(CALLS).join()}`
  if (kill === undefined || 'ms' in kill.at) return 'none'
  const { kind, nth } = kill.at
  return `-e trace=${CALLS[kind]} -e inject=${CALLS[kind]}:signal=${kill.signal}:when=${nth}`
}

/** The launcher of the tests does to its program what the order says. */
export function withOrders(launcher: string): string {
  const edits: [string, string][] = [
    ['\n', FIRST_LINES],
    ['exec "$node"', 'exec $order "$node"'],
  ]
  return edits.reduce((text, [old, better]) => {
    if (!text.includes(old)) throw new Error(`the launcher has no ${old}`)
    return text.replace(old, () => better)
  }, launcher)
}

/** -D: the program stays the child of its caller. -b: what it starts is its own. */
const FIRST_LINES = `
order=''
if [ -n "\${ORDER-}" ]; then
  echo $$ > "$ORDER_PID"
  [ "$ORDER" = none ] || order="strace -D -f -b execve -qqq -o $ORDER_LOG $ORDER"
  unset ORDER ORDER_PID ORDER_LOG
fi
`

/** How many calls of each kind the busiest thread made in a run that counted. */
export function countCalls(folder: string): Record<CallKind, number> {
  const counts = {
    names: new Map<string, number>(),
    files: new Map<string, number>(),
    modes: new Map<string, number>(),
  }
  for (const [, thread = '', call = ''] of readFileSync(`${folder}/log`, 'latin1').matchAll(/^(\d+) +(\w+)\(/gm)) {
    const kind = (Object.keys(CALLS) as CallKind[]).find((kind) => CALLS[kind].split(',').includes(call))
    if (kind) counts[kind].set(thread, (counts[kind].get(thread) ?? 0) + 1)
  }
  const most = (kind: CallKind) => Math.max(0, ...counts[kind].values())
  return { names: most('names'), files: most('files'), modes: most('modes') }
}

interface Run {
  env: Record<string, string>
  kill: Kill | typeof COUNT | undefined
  /** A folder for files of the run. */
  folder: string
}

const TOO_LONG_MS = 60_000

export async function runKilled(command: readonly string[], { env, kill, folder }: Run): Promise<Ended> {
  const [pidFile, out, err] = [`${folder}/pid`, `${folder}/stdout`, `${folder}/stderr`]
  rmSync(pidFile, { force: true })
  // Files, because strace and background processes may keep descriptors open for longer than the session lives.
  const descriptors = [openSync('/dev/null', 'r'), openSync(out, 'w'), openSync(err, 'w')]
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      ...env,
      ORDER: orderOf(kill),
      ORDER_PID: pidFile,
      ORDER_LOG: kill === COUNT ? `${folder}/log` : '/dev/null',
    },
    cwd: '/',
    detached: true,
    stdio: [...descriptors, 'pipe'],
  })
  for (const descriptor of descriptors) closeSync(descriptor)
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>
  await Promise.race([once(child.stdio[3] as NodeJS.ReadableStream, 'data'), ended])
  const begun = performance.now()
  if (kill && kill !== COUNT && 'ms' in kill.at) {
    await Promise.race([sleep(kill.at.ms), ended])
    send(child, kill, pidFile)
    if (kill.times === 2) {
      await Promise.race([sleep(kill.at.ms / 4), ended])
      send(child, kill, pidFile)
    }
  }
  const hung = new AbortController()
  const end = await Promise.race([ended, sleep(TOO_LONG_MS, undefined, { signal: hung.signal }).catch(() => {})])
  hung.abort()
  if (!end) process.kill(-child.pid!, 'SIGKILL')
  const status = end ? (end[0] ?? end[1]!) : 'none: it hung'
  // A session may be gone before its program.
  while (isAlive(pidFile)) await sleep(10)
  return { status, stdout: readFileSync(out, 'utf8'), stderr: readFileSync(err, 'utf8'), ms: performance.now() - begun }
}

const programOf = (pidFile: string): number | undefined => {
  try {
    return Number(readFileSync(pidFile, 'utf8')) || undefined
  } catch {
    return undefined
  }
}

/** Nobody may have waited for it yet. */
function isAlive(pidFile: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${programOf(pidFile)}/status`, 'utf8'))
  } catch {
    return false
  }
}

function send({ pid, exitCode, signalCode }: ChildProcess, { signal, to }: Kill, pidFile: string): void {
  if (exitCode !== null || signalCode !== null) return
  try {
    process.kill(to === 'group' ? -pid! : (programOf(pidFile) ?? Number.NaN), signal)
  } catch {
    // It has not begun yet, or has ended.
  }
}
