/** A small real environment in a home of its own, a local folder, and the program as it ships. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ErrorCode } from '../../src/errors.ts'
import { type InstallOptions, smallEnvironment } from '../fixtures/environment.ts'

export const LAUNCHER = join(import.meta.dirname, '../../bin/conda-stage')

/** Goes in front of a command that mounts things. Works for ordinary users, too. */
export const MOUNTING = ['unshare', '-rm', '--propagation=private', 'sh', '-ec']

export interface World {
  root: string
  prefix: string
  name: string
  /** The default path of the archive. */
  archive: string
  /** For --path. Shorter than the original's folder, so that the copy's path can be as long as the original's. */
  local: string
  env: Record<string, string>
}

export interface WorldOptions extends Omit<InstallOptions, 'packages'> {
  /** Path of the environment below the root. */
  at?: string
}

/** By default without what users do by hand, because that takes a compiler some time. */
export async function world(context: TestContext, { at, ...install }: WorldOptions = {}): Promise<World> {
  return worldWith(context, at, (prefix) => smallEnvironment(prefix, { byHand: false, ...install }))
}

/** The same, but quicker: the environment was installed elsewhere and copied, so its files name another prefix. */
export async function copiedWorld(context: TestContext): Promise<World> {
  installed ??= install()
  const template = await installed
  return worldWith(context, undefined, async (prefix) => {
    mkdirSync(dirname(prefix), { recursive: true })
    execFileSync('cp', ['-a', template, prefix])
  })
}

let installed: Promise<string> | undefined

async function install(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'cli-'))
  // A hook would belong to the first test alone.
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const { prefix } = await smallEnvironment(`${folder}/myjupyter`, { byHand: false })
  return prefix
}

async function worldWith(
  context: TestContext,
  at: string | undefined,
  make: (prefix: string) => Promise<unknown>,
): Promise<World> {
  const root = temporaryFolder(context)
  const prefix = `${root}/${at ?? 'home/me/miniconda3/envs/myjupyter'}`
  await make(prefix)
  const local = `${root}/local`
  mkdirSync(local)
  mkdirSync(`${root}/home/me`, { recursive: true })
  const env = {
    HOME: `${root}/home/me`,
    XDG_CACHE_HOME: `${root}/cache`,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
  }
  return { root, prefix, name: basename(prefix), archive: `${prefix}.tar.zst`, local, env }
}

export function temporaryFolder(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'cli-'))
  context.after(() => {
    execFileSync('chmod', ['-R', 'u+rwX', root])
    rmSync(root, { recursive: true })
  })
  return root
}

export interface RunOptions {
  /** Added to the world's variables; undefined removes one. */
  env?: Record<string, string | undefined>
  cwd?: string
  /** Program and arguments in front of the launcher. */
  inside?: readonly string[]
}

export interface Ended {
  /** Exit code, or the name of the signal that ended the program. */
  status: number | string
  stdout: string
  stderr: string
}

/** Starts the program. `ended` resolves when the program has ended, whatever its status. */
export const start = (world: Pick<World, 'env'>, args: readonly string[], options: RunOptions = {}) =>
  startCommand(world, [...(options.inside ?? []), LAUNCHER, ...args], options)

export function startCommand(world: Pick<World, 'env'>, command: readonly string[], { env, cwd = '/' }: RunOptions) {
  const variables = Object.entries({ ...world.env, ...env }).filter(([, value]) => value !== undefined)
  const child = spawn(command[0]!, command.slice(1), {
    env: Object.fromEntries(variables),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  return { child, ended: endOf(child) }
}

/** Runs the program to its end. */
export const run = (world: Pick<World, 'env'>, args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  start(world, args, options).ended

/** Runs the program and fails unless it succeeds. */
export async function succeed(world: World, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const ended = await run(world, args, options)
  assert.equal(ended.status, 0, `${args.join(' ')}: ${JSON.stringify(ended, null, 2)}`)
  return ended
}

/** Stages, and returns the staged prefix. Standard output must hold nothing else. */
export async function stageOf(world: World, args: readonly string[] = [], options: RunOptions = {}): Promise<string> {
  const { stdout } = await succeed(world, [`--prefix=${world.prefix}`, `--path=${world.local}`, ...args], options)
  assert.ok(stdout.startsWith(`${world.local}/conda-stage_`) && stdout.endsWith('\n'), stdout)
  return stdout.slice(0, -1)
}

function endOf(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  return new Promise((resolve, reject) =>
    child.on('error', reject).on('close', (code, signal) => resolve({ status: code ?? signal!, stdout, stderr })),
  )
}

export interface Failure {
  code: ErrorCode
  status?: number
  /** A path that the message must name. The message must also match `says`, and the next step `hint`. */
  path?: string
  says?: string | RegExp
  hint: string | RegExp
}

/**
 * Runs a call that must fail as described, for people on standard error and, with --json, for programs on standard output. The
 * original and everything beside it must be unchanged, and nothing may be left in the local folder.
 */
export async function fails(
  world: World,
  args: readonly string[],
  { code, status = 1, path, says = '', hint }: Failure,
  options: RunOptions = {},
): Promise<void> {
  const before = listing(dirname(world.prefix))
  const localBefore = existsSync(world.local) && readdirSync(world.local)
  const ended = await run(world, ['--json', ...args], options)
  assert.equal(ended.status, status, ended.stderr)
  assert.doesNotMatch(ended.stderr, /\n {4}at /, 'a stack')
  const [message, next = ''] = ended.stderr.slice(ended.stderr.indexOf('ERROR: ') + 7).split('\n       ', 2)
  if (path !== undefined) assert.ok(message!.includes(path), `${path} is not in: ${message}`)
  assert.match(message!, asPattern(says))
  assert.match(next, asPattern(hint))
  const { error } = JSON.parse(ended.stdout)
  assert.deepEqual([error.code, error.message], [code, message!.trimEnd()])
  assert.deepEqual(listing(dirname(world.prefix)), before)
  assert.deepEqual(existsSync(world.local) && readdirSync(world.local), localBefore)
}

const asPattern = (text: string | RegExp): RegExp =>
  typeof text === 'string' ? new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')) : text

/** A description of a tree that changes with every write, rename and change of mode or time. */
export function listing(root: string): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (path: string): void => {
    const { ino, size, mode, nlink, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true })
    const kind = Number(mode) & 0o170000
    found.set(path, [ino, size, mode, nlink, mtimeNs, ctimeNs, kind === 0o120000 && readlinkSync(path)].join(' '))
    // A test may have made the folder unreadable.
    if (kind === 0o040000 && Number(mode) & 0o500) for (const name of readdirSync(path)) visit(`${path}/${name}`)
  }
  visit(root)
  // Making and removing a file beside the environment changes the folder's own times. That is harmless.
  found.delete(root)
  return found
}
