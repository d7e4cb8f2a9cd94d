import { access, fstatSync } from 'node:fs'
import { type CallingShell, readCall, TOLD } from '../activate/call.ts'
import { packageRoot } from '../platform/program.ts'
import { setFewThreads } from '../platform/threads.ts'
import { reserveThreads } from '../platform/waiting.ts'

/** Everything that the program takes from its surroundings, read once at the start and passed on as a value. */
export interface Session {
  /** Arguments after the program's name. */
  args: string[]
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  uid: number
  /** Number of the calling process. That is the shell, because the launcher replaces itself with Node. */
  parentPid: number
  /** Whether standard error is a terminal. */
  isErrorShown: boolean
  /** How many messages this call has given already, if it has begun again. */
  told: number
  /** Whether standard output is a terminal, not a file or a pipe. */
  isDataShown: boolean
  /** Process of the launcher, if it waits for code by which it becomes a command. */
  becomes: number | undefined
  /** `bin/conda-stage`, which starts this program. */
  launcher: string
  /** The shell function that called us. */
  shell: CallingShell | undefined
}

/** @param process this program's own; variables that are meant for Node alone are removed from its environment */
export function captureSession(process: NodeJS.Process): Session {
  const { env, shell, becomes, isErrorShown } = readCall(process.env)
  chooseThreads(process)
  return {
    args: process.argv.slice(2),
    env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? 0,
    parentPid: process.ppid,
    isErrorShown: isErrorShown ?? (isDevice(2) && process.stderr.isTTY === true),
    told: Number(process.env[TOLD]) || 0,
    isDataShown: isDevice(1),
    becomes,
    launcher: `${packageRoot()}/bin/conda-stage`,
    shell,
  }
}

/** How many threads for files are enough to leave a copy and to look around; and to join one: the quick check asks for 50 names. */
const FEW = 16
const FEW_TO_JOIN = 32
const WITH_FEW: ReadonlySet<string> = new Set(['--unstage', '--finish-unstage', '--leave', '--status', '--list'])
/** Calls that read the environment, whatever they find. */
const WITH_MANY = /^(?:--pack|--verify|--nodes|--on-node|--dry-run|--private|--writable|--check=full|--force|-f$)/

function enoughThreads({ argv }: NodeJS.Process): number {
  if (argv.some((arg) => WITH_FEW.has(arg))) return FEW
  return argv.some((arg) => WITH_MANY.test(arg)) ? Number.POSITIVE_INFINITY : FEW_TO_JOIN
}

/** All that the limits allow, if this call began with fewer. */
let allThreads: number | undefined

/** Before anything is read. A call that begins again has all threads. */
function chooseThreads(process: NodeJS.Process): void {
  const { env, execve } = process
  const [all, enough] = [Number(env.UV_THREADPOOL_SIZE), enoughThreads(process)]
  if (!(all > enough) || execve === undefined || env[TOLD] !== undefined) return
  allThreads = all
  env.UV_THREADPOOL_SIZE = `${enough}`
  setFewThreads(true)
}

/**
 * Starts the threads for files. libuv reads their number from a variable when they get their first work, so they get some before
 * the variable goes: it must not reach programs that we start.
 */
export function startThreads({ env }: NodeJS.Process): void {
  access('/', () => {})
  reserveThreads(Number(env.UV_THREADPOOL_SIZE) || 4)
  delete env.UV_THREADPOOL_SIZE
}

/**
 * Has the process begin again with all threads. Does not return, unless the system refuses.
 * @param told how many messages there were. They are not repeated.
 */
export function beginAgain({ execPath, execArgv, argv, env, execve }: NodeJS.Process, told: number): void {
  try {
    const again = { ...env, UV_THREADPOOL_SIZE: `${allThreads}`, [TOLD]: `${told}` }
    execve?.(execPath, [execPath, ...execArgv, ...argv.slice(1)], again)
  } catch {
    // Then it goes on with those that it has.
  }
  setFewThreads(false)
}

/** What node:tty knows for certain, and any use of process.stderr, costs more than the rest of the start: it loads the network. */
function isDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}
