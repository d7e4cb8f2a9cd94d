import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { ENV, LOCAL } from './layout.ts'

export interface RunOptions {
  env?: Record<string, string>
  cwd?: string
}

export interface Ended {
  /** From start to end of the process. */
  seconds: number
  stdout: string
  stderr: string
}

/** Runs a program with the bench's own variables. If it fails, throws with the end of its output. */
export function run(command: string, args: string[], { env = {}, cwd = '/' }: RunOptions = {}): Ended {
  const options = { env: { ...ENV, ...env }, cwd, encoding: 'utf8', maxBuffer: 2 ** 28 } as const
  const started = performance.now()
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const seconds = (performance.now() - started) / 1000
  if (status === 0) return { seconds, stdout, stderr }
  const why = error?.message ?? signal ?? `${status}: ${stderr.trim().split('\n').slice(-12).join('\n')}`
  throw new Error(`${[command, ...args].join(' ')} failed: ${why}`)
}

/** Like run(), with the peak memory of the process in 10^6 bytes: all its threads, and the pages of files. */
export function runForMemory(command: string, args: string[]): Ended & { megabytes: number } {
  const wait =
    'import resource, subprocess, sys; s = subprocess.call(sys.argv[1:], stdout=2); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(s)'
  const ended = run('python3', ['-c', wait, command, ...args])
  return { ...ended, megabytes: (Number(ended.stdout) * 1024) / 1e6 }
}

type Body = () => number | Promise<number>

/** Runs the bodies in turns, so that all share alike in what else the machine does. Returns what each gave, run by run. */
export async function inTurns<Name extends string>(
  runs: number,
  bodies: Partial<Record<Name, Body>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(bodies) as Name[]
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let i = 0; i < runs; i++) for (const name of names) values[name].push(await bodies[name]!())
  return values
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Removes a folder, even a read-only stage, and creates it again. */
export function emptied(folder: string): string {
  if (existsSync(folder)) run('chmod', ['-R', 'u+w', folder])
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * Waits for removals in the background: they must not run into the next measurement.
 * @throws Error if something is left after a minute.
 */
export async function whenLocalIsEmpty(): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const left = readdirSync(LOCAL)
    if (left.length === 0) return
    if (Date.now() > deadline) throw new Error(`Unstaged, but still there: ${left.join(', ')}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
