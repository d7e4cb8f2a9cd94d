import { access, fstatSync } from 'node:fs'
import { type CallingShell, readCall } from '../activate/call.ts'
import { openTerminal, pixiScripts } from '../platform/pixi-scripts.ts'
import { packageRoot } from '../platform/program.ts'
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
  /** A descriptor for messages. Not standard error if nobody ever sees that. */
  errors: number
  /** Whether standard error is a terminal. */
  isErrorShown: boolean
  /** Whether standard output is a terminal, not a file or a pipe. */
  isDataShown: boolean
  /** Process of the launcher, if it waits for code by which it becomes a command. */
  becomes: number | undefined
  /** `bin/conda-stage`, which starts this program. */
  launcher: string
  /** The shell function that called us. Its process is the one that uses a copy. */
  shell: CallingShell | undefined
  /** Who runs this session only for its variables, which somebody else takes over when it has ended: nobody known uses a copy. */
  passedOnBy: 'pixi' | 'direnv' | undefined
}

const STANDARD_ERROR = 2

/** @param process this program's own; variables that are meant for Node alone are removed from its environment */
export function captureSession(process: NodeJS.Process): Session {
  const { env, shell, becomes, isErrorShown } = readCall(process.env)
  const pixi = shell && pixiScripts(shell, env)
  const threads = Number(process.env.UV_THREADPOOL_SIZE)
  if (threads > FEW && process.argv.some((arg) => WITH_FEW.has(arg))) process.env.UV_THREADPOOL_SIZE = `${FEW}`
  return {
    args: process.argv.slice(2),
    env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? 0,
    parentPid: process.ppid,
    errors: (pixi?.keepsErrors ? openTerminal() : undefined) ?? STANDARD_ERROR,
    isErrorShown: isErrorShown ?? (isDevice(STANDARD_ERROR) && process.stderr.isTTY === true),
    isDataShown: isDevice(1),
    becomes,
    launcher: `${packageRoot()}/bin/conda-stage`,
    shell: pixi ? { ...shell!, pid: pixi.pid } : shell,
    passedOnBy: pixi?.waits === false ? 'pixi' : env.DIRENV_IN_ENVRC ? 'direnv' : undefined,
  }
}

/** So many threads for files are enough to leave a copy and to look around. 128 take 5 ms to start, and 5 to end. */
const FEW = 16
const WITH_FEW: ReadonlySet<string> = new Set(['--unstage', '--finish-unstage', '--leave', '--status', '--list'])

/**
 * Starts the threads for files. libuv reads their number from a variable when they get their first work, so they get some before
 * the variable goes: it must not reach programs that we start.
 */
export function startThreads({ env }: NodeJS.Process): void {
  access('/', () => {})
  reserveThreads(Number(env.UV_THREADPOOL_SIZE) || 4)
  delete env.UV_THREADPOOL_SIZE
}

/** What node:tty knows for certain, and any use of process.stderr, costs more than the rest of the start: it loads the network. */
function isDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}
