/** Environments as conda makes them, hard-linked to a package cache beside them, at their final path in SLOW. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Cache, readyCache } from '../test/fixtures/cache.ts'
import { CACHE, REPOSITORY, SLOW } from './layout.ts'
import { emptied, run } from './measure.ts'

const BUILDER = join(REPOSITORY, 'test/fixtures/builder')
const LARGE = join(import.meta.dirname, 'large.txt')

export const ENVIRONMENTS = ['real', 'large', 'small'] as const
export type EnvironmentName = (typeof ENVIRONMENTS)[number]

/**
 * Empties SLOW, puts an environment with its package cache there, and returns its prefix. `real` is the tests' environment,
 * `large` has jupyterlab, numpy, scipy, pandas, matplotlib and scikit-learn, `small` no Python at all. Built once
 * (minutes), and kept in CACHE as a tar.
 */
export async function provideEnvironment(name: EnvironmentName): Promise<string> {
  const cache = await readyCache(name === 'small' ? 'small' : 'real')
  const key = createHash('sha256').update(SLOW).update(readFileSync(LARGE)).update(basename(cache.root)).digest('hex')
  const folder = join(CACHE, `bench-${key.slice(0, 8)}`)
  const kept = join(folder, `${name}.tar.zst`)
  emptied(SLOW)
  const prefix = join(SLOW, 'envs', name)
  if (existsSync(kept)) {
    run('tar', ['-C', SLOW, '-I', 'zstd', '-xf', kept])
    return prefix
  }
  mkdirSync(folder, { recursive: true })
  install(cache, name, prefix, folder)
  const aside = `${kept}.${process.pid}`
  run('tar', ['-C', SLOW, '-I', 'zstd -T0', '--format=posix', '-cf', aside, '.'])
  renameSync(aside, kept)
  return prefix
}

function install(cache: Cache, name: EnvironmentName, prefix: string, folder: string): void {
  const { channels, specs, byHand } = parts(cache, name, folder)
  const order = { prefix, channels, specs, packages: join(SLOW, 'pkgs'), link: 'hardlink', variables: {} }
  mkdirSync(join(SLOW, 'envs'), { recursive: true })
  tool(cache, 'install.py', [JSON.stringify(order)])
  if (byHand) tool(cache, 'by_hand.py', [prefix, ...byHand])
}

function parts(cache: Cache, name: EnvironmentName, folder: string) {
  const [python = '', , native = ''] = cache.channels
  if (name === 'small') return { channels: [native], specs: ['greet'], byHand: [] }
  if (name === 'real') return { channels: cache.channels, specs: cache.specs, byHand: [cache.wheelsForPip] }
  return { channels: [python, largeChannel(cache, folder), native], specs: [...namesOf(LARGE), 'python', 'greet'] }
}

/** Builds conda packages from the wheels that large.txt names. */
function largeChannel(cache: Cache, folder: string): string {
  const channel = join(folder, 'channel-large')
  const done = join(channel, 'done')
  if (existsSync(done)) return channel
  emptied(channel)
  const wheels = emptied(join(folder, 'wheels'))
  const python = join(cache.environment, 'bin/python')
  const pip = ['-m', 'pip', '--python', python, 'download', '-q', '--disable-pip-version-check', '--no-deps']
  run(cache.python, [...pip, '--only-binary=:all:', '--dest', wheels, '-r', LARGE], {
    env: { HOME: process.env.HOME ?? '/' },
  })
  tool(cache, 'wheels.py', [channel, wheels, python])
  rmSync(wheels, { recursive: true })
  mkdirSync(done)
  return channel
}

const namesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('==', 1)[0]!)

function tool(cache: Cache, script: string, args: string[]): void {
  run(cache.python, ['-B', join(BUILDER, script), ...args])
}
