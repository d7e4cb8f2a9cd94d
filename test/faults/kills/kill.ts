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
type CallKind = keyof typeof CALLS

export interface Kill {
  signal: 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'SIGINT' | 'SIGQUIT'
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
  if (kill === COUNT) return `-y -e trace=${Object.values(CALLS).join()}`
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

/** Holds a program up for some time as it enters a call. It is killed then, or held up at as many calls as are named. */
export function heldUp({ kind, nth }: Pick<Call, 'kind' | 'nth'>, ms: number, fate: 'killed' | number): string {
  const end = fate === 'killed' ? `${nth}:signal=SIGKILL` : `${nth}..${nth + fate - 1}`
  return `-e trace=${CALLS[kind]} -e inject=${CALLS[kind]}:delay_enter=${ms * 1000}:when=${end}`
}

/** A call of the program: the n-th of its kind in its thread. */
export interface Call {
  kind: CallKind
  nth: number
  /** It touches the archive, its folder or the local folder, and no file of the copy itself. */
  isOurs: boolean
}

/** The calls of a run that counted. */
export function readCalls(folder: string, ours: readonly string[]): Call[] {
  const counts = new Map<string, number>()
  return [...readFileSync(`${folder}/log`, 'latin1').matchAll(/^(\d+) +(\w+)\((.*)$/gm)].flatMap(
    ([, thread, name = '', rest = '']) => {
      const kind = (Object.keys(CALLS) as CallKind[]).find((each) => CALLS[each].split(',').includes(name))
      if (kind === undefined) return []
      const nth = (counts.get(`${thread} ${kind}`) ?? 0) + 1
      counts.set(`${thread} ${kind}`, nth)
      return [{ kind, nth, isOurs: ours.some((path) => rest.includes(path)) && !/\/\.extracting\/|\/my\//.test(rest) }]
    },
  )
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
      // With one thread for files, calls come in the same order each time.
      ...((kill === COUNT || (kill && 'kind' in kill.at)) && { CONDA_STAGE_POOL: '1' }),
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
  const program = programOf(pidFile)
  if (to === 'group') process.kill(-pid!, signal)
  else if (program !== undefined) killIf(program, signal, (facts) => facts.session === pid)
}

/**
 * Kills a process unless it has ended: on a busy machine another one may have its number soon.
 * @returns whether it was there
 */
export function killIf(
  pid: number,
  signal: NodeJS.Signals,
  isIt: (facts: { session: number; env: string }) => boolean,
) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const session = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3])
    if (!isIt({ session, env: readFileSync(`/proc/${pid}/environ`, 'latin1') })) return false
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
