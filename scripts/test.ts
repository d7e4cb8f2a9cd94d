/**
 * Sets up what the tests need, then runs them: `npm test`, `npm test -- test/relocate`, `npm test -- --test-name-pattern=hard`.
 * Arguments with a leading dash go to `node --test`; the others name test files or folders.
 */
import { spawn } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { readyCache } from '../test/fixtures/cache.ts'
import { ensurePrerequisites } from './prerequisites.ts'

const ROOT = join(import.meta.dirname, '..')

async function main(args: string[]): Promise<number> {
  try {
    await timed('what the system provides', () => ensurePrerequisites('tests'))
    await timed('test environment', async () => {
      const { root } = await readyCache('real')
      process.stderr.write(`The test environments stay in ${root}, about 1 GB; to remove them: rm -r '${root}'\n`)
    })
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
  )
}

function testFiles(names: string[]): string[] {
  if (names.length === 0) return globSync('test/**/*.test.ts', { cwd: ROOT }).sort()
  return names.flatMap((name) => {
    const path = resolve(name)
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory()
    return isFolder ? globSync('**/*.test.ts', { cwd: path }).map((file) => join(path, file)) : globSync(path)
  })
}

function runTests(options: string[], files: string[]): Promise<number> {
  // Each test file runs several programs: more files than cores would only wait for each other.
  const concurrency = `--test-concurrency=${Math.max(1, availableParallelism())}`
  const args = ['--test', '--test-reporter=spec', concurrency, ...options, ...files]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  return new Promise((done, failed) => {
    child.on('error', failed).on('close', (code, signal) => done(signal === null ? (code ?? 1) : 1))
  })
}

/** Says on stderr how long a set-up step took, if it took over a second. */
async function timed(what: string, body: () => unknown): Promise<void> {
  const started = performance.now()
  await body()
  const seconds = (performance.now() - started) / 1000
  if (seconds > 1) process.stderr.write(`${what}: ${seconds.toFixed(1)} s\n`)
}

process.exitCode = await main(process.argv.slice(2))
