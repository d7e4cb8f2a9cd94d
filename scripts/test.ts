/**
 * Sets up what the tests need, then runs them: `npm test`, `npm test -- test/relocate`, `npm test -- --test-name-pattern=hard`.
 * Arguments with a leading dash go to the node of each test file; the others name test files or folders.
 */
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { readyCache } from '../test/fixtures/cache.ts'
import { isBuilt } from '../test/fixtures/installed.ts'
import { ensurePrerequisites } from './prerequisites.ts'

const ROOT = join(import.meta.dirname, '..')

async function main(args: string[]): Promise<number> {
  let cache: string
  try {
    await timed('what the system provides', () => ensurePrerequisites('tests'))
    await timed('dist/', ensureBuilt)
    cache = await timed('test environment', async () => (await readyCache('real')).root)
    process.stderr.write(`The test environments stay in ${cache}, about 1 GB; to remove them: rm -r '${cache}'\n`)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return 1
  }
  const files = testFiles(args.filter((argument) => !argument.startsWith('-')))
  if (files.length === 0) {
    process.stderr.write('No test file has that name.\n')
    return 1
  }
  return await runTests(
    args.filter((argument) => argument.startsWith('-')),
    files,
    cache,
  )
}

/** Of what the tests run, most is the program, which starts four times as fast from a dist/ that is as new as the sources. */
function ensureBuilt(): void {
  if (isBuilt()) return
  const PATH = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH } })
}

function testFiles(names: string[]): string[] {
  if (names.length === 0) return globSync(join(ROOT, 'test/**/*.test.ts')).sort()
  return names.flatMap((name) => {
    const path = resolve(name)
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory()
    return isFolder ? globSync('**/*.test.ts', { cwd: path }).map((file) => join(path, file)) : globSync(path)
  })
}

/** The files that took longest come first, so that none of them runs alone in the end. */
async function runTests(options: string[], files: string[], cache: string): Promise<number> {
  const times = new FileTimes(join(cache, 'file-times.json'))
  // Code that is compiled once, and stripped of its types once. This reaches the tests alone: a variable would reach what they start.
  const compiled = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(join(cache, 'compiled'))})`
  const tests = run({
    cwd: ROOT,
    files: times.longestFirst(files),
    // Each file runs several programs, but waits part of its time: for servers that hang, and for what is said to take a moment.
    concurrency: availableParallelism() + 1,
    execArgv: [`--import=data:text/javascript,${encodeURIComponent(compiled)}`, ...options],
  })
  let code = 1
  tests.on('test:summary', ({ file, success, duration_ms }) => {
    if (file === undefined) code = success ? 0 : 1
    else times.note(file, duration_ms)
  })
  for await (const text of tests.compose(spec)) process.stdout.write(text)
  // Of a few tests of each file they would say nothing.
  if (options.length === 0) times.keep()
  return code
}

/** How long each file took when it last ran. */
class FileTimes {
  readonly #path: string
  readonly #ms: Record<string, number> = {}

  constructor(path: string) {
    this.#path = path
    try {
      this.#ms = JSON.parse(readFileSync(path, 'utf8'))
    } catch {
      // It is the first run here.
    }
  }

  longestFirst = (files: readonly string[]): string[] => files.toSorted((a, b) => this.#of(b) - this.#of(a))

  note(file: string, ms: number): void {
    this.#ms[relative(ROOT, file)] = Math.round(ms)
  }

  keep = (): void => writeFileSync(this.#path, JSON.stringify(this.#ms, null, 1))

  /** A new file may take long. */
  #of = (file: string): number => this.#ms[relative(ROOT, file)] ?? Number.MAX_SAFE_INTEGER
}

/** Says on stderr how long a set-up step took, if it took over a second. */
async function timed<T>(what: string, body: () => T | Promise<T>): Promise<T> {
  const started = performance.now()
  const result = await body()
  const seconds = (performance.now() - started) / 1000
  if (seconds > 1) process.stderr.write(`${what}: ${seconds.toFixed(1)} s\n`)
  return result
}

process.exitCode = await main(process.argv.slice(2))
