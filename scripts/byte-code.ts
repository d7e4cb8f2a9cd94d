/**
 * Makes the byte code of the program in a dist/: `node scripts/byte-code.ts DIST`. It holds the functions that have run, so the program
 * runs as what has to start most quickly: a shell's call that joins a copy.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openProgram } from '../src/platform/byte-code.ts'

const INNER = '--then-write-byte-code'
const [dist = 'dist', inner, ...args] = process.argv.slice(2)
const program = resolve(dist, 'program.cjs')

if (inner === INNER) runAndWrite(args)
else joinTwice()

/** Two calls that stage the same small environment: the second joins, and leaves the byte code. */
function joinTwice(): void {
  const folder = mkdtempSync(join(tmpdir(), 'byte-code-'))
  try {
    const prefix = join(folder, 'env')
    mkdirSync(join(prefix, 'conda-meta'), { recursive: true })
    writeFileSync(join(prefix, 'conda-meta/history'), '')
    const env = {
      HOME: folder,
      PATH: '/usr/bin:/bin',
      CONDA_PREFIX: prefix,
      CONDA_SHLVL: '1',
      CONDA_STAGE_SITE_CONFIG: join(folder, 'none'),
      __CONDA_STAGE_SHELL: 'bash',
      __CONDA_STAGE_CODE: '1',
      __CONDA_STAGE_PID: String(process.pid),
      __CONDA_STAGE_LAUNCHER: join(folder, 'none'),
    }
    const call = ['--path', join(folder, 'local'), '--no-skip-local', '--quiet']
    const run = (...command: string[]) => spawnSync(process.execPath, command, { env, stdio: 'ignore' })
    run(resolve(dist, 'bin.cjs'), ...call)
    run(import.meta.filename, dist, INNER, ...call)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function runAndWrite(args: readonly string[]): void {
  const { run, writeByteCode } = openProgram(program)
  process.argv.splice(1, process.argv.length, program, ...args)
  process.on('exit', writeByteCode)
  run()
}
