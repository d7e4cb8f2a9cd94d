import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { StageError } from '../errors.ts'
import { stopGroup } from '../platform/stop-group.ts'

/** Seconds. */
export interface Times {
  real: number
  /** Of the command and of all processes that it has started and waited for. */
  user: number
  sys: number
}

export interface TimedRun extends Times {
  status: number
  /** The last lines that the command wrote. */
  said: string
}

/**
 * bash measures by getrusage(2) of its children, to a millisecond; Node tells of no other process. It is started before the clock.
 * `exec`, because bash has commands of its own (echo, test, true); braces, because a subshell by itself would become the command
 * before its time is told. Descriptor 3 is ours. The command does not get it, so whatever it leaves running holds nothing open.
 */
const TIMER = `TIMEFORMAT='%3R %3U %3S'
exec 4>&2 2>&3 3>&-
time { (exec "$@" 2>&4 4>&-); }`

/** In some languages, bash writes commas. The command has to keep its own. */
const NUMBERS = /^(\d+)[.,](\d+) (\d+)[.,](\d+) (\d+)[.,](\d+)$/m

export interface RunOptions {
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  signal?: AbortSignal | undefined
}

/**
 * Runs a command without input, and keeps its output from people.
 * @param before words that activate its environment; they are not measured
 * @throws StageError NO_PROGRAM without bash
 */
export async function timedRun(
  before: readonly string[],
  command: readonly string[],
  { env, cwd, signal }: RunOptions,
): Promise<TimedRun> {
  const bash = ['/bin/bash', '/usr/bin/bash'].find((path) => existsSync(path))
  if (bash === undefined)
    throw new StageError('NO_PROGRAM', 'There is no bash here, and measuring times needs it', {
      hint: "Install the package 'bash'.",
    })
  const [program, ...args] = [...before, bash, '-p', '-c', TIMER, 'bash', ...command]
  // In a session of its own, so that all of it can be stopped.
  const child = spawn(program!, args, {
    env: { ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const stop = () => child.pid && stopGroup(child.pid)
  signal?.addEventListener('abort', stop)
  const said = tailOf(child.stdout!, child.stderr!)
  const numbers = tailOf(child.stdio[3] as Readable)
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code) => resolve(code ?? 1))
    })
    await numbers.ended
    signal?.throwIfAborted()
    const [, ...found] = NUMBERS.exec(numbers.text()) ?? []
    if (status === 0 && found.length === 0) throw new Error(`bash tells no times: ${numbers.text()}`)
    const [real, user, sys] = [0, 2, 4].map((at) => Number(`${found[at]}.${found[at + 1]}`))
    return { real: real!, user: user!, sys: sys!, status, said: said.text().trimEnd() }
  } finally {
    signal?.removeEventListener('abort', stop)
    // What the command has left running may still write: that is nobody's concern.
    for (const stream of child.stdio) stream?.destroy()
  }
}

const MOST_KEPT = 2000

/** The last that is written there; the rest is read and forgotten, so that nobody waits for a full pipe. */
function tailOf(...streams: Readable[]) {
  let kept = ''
  for (const stream of streams)
    stream.setEncoding('utf8').on('data', (text: string) => {
      kept = (kept + text).slice(-MOST_KEPT)
    })
  const ended = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('end', resolve))))
  return { text: () => kept, ended }
}
