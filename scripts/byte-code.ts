/**
 * Makes the byte code of the program in a dist/: `node scripts/byte-code.ts DIST`. It holds the functions that have run, so the
 * program runs as what people wait for most: as calls of a shell that joins a copy and leaves it again.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openProgram } from '../src/platform/byte-code.ts'

const [dist = 'dist', folder] = process.argv.slice(2)
const program = resolve(dist, 'program.cjs')

if (folder === undefined) inNewFolder()
else joinAndLeave(folder)

/** Stages a small environment, and calls this script again to join. */
function inNewFolder(): void {
  const folder = mkdtempSync(join(tmpdir(), 'byte-code-'))
  try {
    const prefix = join(folder, 'env')
    mkdirSync(join(prefix, 'conda-meta'), { recursive: true })
    writeFileSync(join(prefix, 'conda-meta/history'), '')
    writeFileSync(join(folder, 'config.yaml'), '')
    const env = {
      HOME: folder,
      PATH: `${prefix}/bin:/usr/bin:/bin`,
      CONDA_PREFIX: prefix,
      CONDA_SHLVL: '1',
      CONDA_STAGE_SITE_CONFIG: join(folder, 'config.yaml'),
      CONDA_STAGE_PATH: join(folder, 'local'),
      CONDA_STAGE_SKIP_LOCAL: 'false',
      __CONDA_STAGE_SHELL: 'bash',
      __CONDA_STAGE_CODE: '1',
      __CONDA_STAGE_PID: String(process.pid),
      __CONDA_STAGE_LAUNCHER: join(folder, 'none'),
    }
    const node = (...args: string[]) =>
      spawnSync(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    node(resolve(dist, 'bin.cjs'), '--quiet')
    node(import.meta.filename, dist, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One call after the other, in one process, as if each were a process. */
function joinAndLeave(folder: string): void {
  const { run, writeByteCode } = openProgram(program)
  const call = (...args: string[]): void => {
    process.argv.splice(1, process.argv.length, program, ...args, '--quiet')
    process.exitCode = 0
    run()
  }
  const calls = [
    () => call(),
    () => {
      const local = join(folder, 'local')
      const staged = join(local, readdirSync(local).find((name) => name.startsWith('conda-stage_'))!, 'env')
      Object.assign(process.env, { CONDA_PREFIX: staged, PATH: `${staged}/bin:${process.env.PATH}` })
      call('--unstage')
    },
    () =>
      call('--finish-unstage', `--prefix=${process.env.CONDA_PREFIX}`, `--session=${process.env.__CONDA_STAGE_PID}`),
  ]
  // The program sees to it that its process ends.
  Object.assign(process, { execve: undefined, kill: () => true })
  process.on('beforeExit', () => calls.shift()?.())
  process.on('exit', writeByteCode)
}
