import { execFile, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { StageError } from '../../errors.ts'
import { findProgram } from '../../platform/find-program.ts'
import { divertSignals } from '../../platform/signals.ts'
import { isInForeground, traceesOf } from '../../platform/tracees.ts'
import { callReader, type Listener } from './calls.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** strace, and what it may do here. */
export interface Tracer {
  program: string
  options: readonly string[]
}

/**
 * Calls with a name in them, what is needed to know what a relative one is relative to, and the beginning of what strace can't
 * see. strace(1), "Filtering".
 */
const CALLS = 'trace=%file,?fchdir,?clone,?clone3,?fork,?vfork,?io_uring_setup'

/**
 * @param without prefixes of environments: their strace would be what is measured
 * @throws StageError NO_PROGRAM if there is no strace, NOT_TRACED if it may not trace here
 */
export async function findTracer(env: Variables, without: readonly string[]): Promise<Tracer> {
  const program = await findProgram(['strace'], { env, variable: 'CONDA_STAGE_STRACE', without })
  if (program === undefined)
    throw new StageError('NO_PROGRAM', 'There is no strace here, and --proof needs it', {
      hint: "Install the package 'strace' (apt, dnf, zypper), or without root: conda create -p ~/strace -c conda-forge strace, then CONDA_STAGE_STRACE=~/strace/bin/strace.",
    })
  // With a filter in the kernel, all other calls run at full speed. It came with strace 5.3 and Linux 4.8.
  const options = ['-f', '-y', '-q', '-e', CALLS, '-e', 'signal=none']
  const failures: string[] = []
  for (const tried of [['--seccomp-bpf', ...options], options]) {
    const failure = await tryOut(program, tried)
    if (failure === undefined) return { program, options: tried }
    failures.push(failure)
  }
  throw new StageError('NOT_TRACED', `${program} may not trace programs here: ${failures.at(-1)}`, {
    path: program,
    hint: 'In a container, allow ptrace (docker run --cap-add=SYS_PTRACE). Elsewhere, kernel.yama.ptrace_scope=3 or a policy forbids it: measure on another node.',
  })
}

const TRIAL_MS = 10_000

function tryOut(program: string, options: readonly string[]): Promise<string | undefined> {
  const args = [...options, '-o', '/dev/null', '--', '/bin/true']
  return new Promise((resolve) => {
    execFile(program, args, { timeout: TRIAL_MS, killSignal: 'SIGKILL' }, (error, _, stderr) => {
      const said = stderr
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^\S*strace: /, '')
      resolve(error === null ? undefined : said || error.message)
    })
  })
}

export interface Traced {
  /** In front of the traced command: what activates its environment. */
  before: readonly string[]
  command: readonly string[]
  env: Variables
  cwd: string
  signal?: AbortSignal | undefined
}

/** How a command has ended: by itself, or by a signal, whose number is 128 less. */
export interface Ending {
  status: number
}

/**
 * Runs a command and tells of every name that it and all that it starts look up. Its standard output goes to our standard error,
 * because ours holds the result. A signal to stop is for the command.
 */
export async function traceCommand(
  { program, options }: Tracer,
  { before, command, env, cwd, signal }: Traced,
  listener: Listener,
): Promise<Ending> {
  // The lines of thousands of processes need more than a pipe: whoever outlives the command would hold it open.
  const folder = await mkdtemp(join(env.TMPDIR?.startsWith('/') ? env.TMPDIR : '/tmp', 'conda-stage-proof-'))
  try {
    const log = join(folder, 'trace')
    const words = [...before, program, ...options, '-o', log, '--', ...command]
    const ending = await endOf(words, { env, cwd, signal })
    signal?.throwIfAborted()
    const reader = callReader(cwd, listener)
    for await (const line of createInterface({ input: createReadStream(log, 'latin1') })) reader.line(line)
    reader.end()
    return ending
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** After so many milliseconds, what has not ended by itself is killed. */
const KILL_MS = 3000

async function endOf(
  [program, ...args]: string[],
  { env, cwd, signal }: Pick<Traced, 'env' | 'cwd' | 'signal'>,
): Promise<Ending> {
  const child = spawn(program!, args, { env: { ...env }, cwd, stdio: [0, 2, 2] })
  let last: NodeJS.Timeout | undefined
  // strace takes no signal as long as anything runs that it traces.
  const send = (name: NodeJS.Signals) => {
    for (const pid of traceesOf(child.pid!)) kill(pid, name)
  }
  const stop = (name: NodeJS.Signals = 'SIGTERM') => {
    // The terminal has sent it to the command, too, which may have its own idea of it.
    if (['SIGINT', 'SIGQUIT'].includes(name) && isInForeground()) return
    send(name)
    last ??= setTimeout(() => send('SIGKILL'), KILL_MS)
  }
  const onAbort = () => stop()
  signal?.addEventListener('abort', onAbort)
  let status = 0
  try {
    await divertSignals(stop, async () => {
      status = await new Promise<number>((resolve, reject) => {
        child.on('error', reject)
        child.on('exit', (code, by) => resolve(code ?? 128 + constants.signals[by!]))
      })
      return status > 128
    })
    return { status }
  } finally {
    clearTimeout(last)
    signal?.removeEventListener('abort', onAbort)
  }
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended, or is somebody else's.
  }
}
