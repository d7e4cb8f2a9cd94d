/** The recipes of docs/recipes.md for tools in Python. */
import assert from 'node:assert/strict'
import { type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER, temporaryFolder } from '../cli/world.ts'
import { realEnvironment } from '../fixtures/environment.ts'
import { type Slurm, startSlurm } from '../jobs/slurm.ts'
import { KERNEL_AND_DASK, pythonEnvironment, roomyFolder } from './python-environment.ts'
import { removeNote } from './world.ts'

const HERE = import.meta.dirname

const root = mkdtempSync(join(roomyFolder(), 'python-'))
const local = join(root, 'local')
const wrappers = join(root, 'wrappers')
const env: Record<string, string> = {
  HOME: join(root, 'home'),
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  CONDA_STAGE_PATH: local,
  CONDA_STAGE_SKIP_LOCAL: 'false',
}
const original = join(root, 'home/envs/myjupyter')
/** An environment with Jupyter, which is not staged. */
let jupyter = ''
/** The copy. */
let copy = ''

const run = (command: string, args: readonly string[], options: SpawnSyncOptions = {}) =>
  spawnSync(command, args, { env, cwd: root, timeout: 120_000, ...options, encoding: 'utf8' })

/** What a command printed, which must succeed. */
function output(command: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = run(command, args, options)
  assert.equal(status, 0, `${error ?? ''}${stderr}`)
  return stdout.trim()
}

let slurm: Slurm

before(async () => {
  jupyter = (await realEnvironment()).prefix
  for (const folder of [local, env.HOME!]) mkdirSync(folder)
  await pythonEnvironment(original, KERNEL_AND_DASK)
  output(LAUNCHER, [`--wrappers=${wrappers}`, `--prefix=${original}`, '--programs=python', '--kernelspec'])
  copy = output(join(wrappers, 'bin/python'), ['-c', 'import sys; print(sys.prefix)'])
  slurm = await startSlurm()
})

after(async () => {
  await slurm?.stop()
  removeNote(original)
  rmSync(root, { recursive: true })
})

test('Jupyter starts a kernel from the copy by its kernelspec, runs code there, interrupts and restarts it', () => {
  const said = JSON.parse(output(join(jupyter, 'bin/python'), [join(HERE, 'kernel.py'), 'myjupyter']))
  const [prefix, number] = said.first.split(' ')
  assert.equal(prefix, copy)
  assert.equal(said.interrupted, 'KeyboardInterrupt')
  assert.equal(said.same, said.first)
  assert.match(said.restarted, new RegExp(`^${copy} \\d+$`))
  assert.notEqual(said.restarted, `${copy} ${number}`)
})

test("JupyterLab lists the wrapper's kernel, starts it from the copy, interrupts and restarts it there, and its own kernelspec stays beside it", async () => {
  const options = ['lab', '--no-browser', '--allow-root', '--ServerApp.token=secret', '--ServerApp.port=0']
  const server = spawn(join(jupyter, 'bin/jupyter'), options, { env, cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  server.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  try {
    const ready = /http:\/\/127\.0\.0\.1:(\d+)\/lab\?/
    await until(() => ready.test(said) || server.exitCode !== null)
    assert.match(said, ready)
    const api = `http://127.0.0.1:${ready.exec(said)![1]}/api`
    const headers = { Authorization: 'token secret' }
    const specs = (await (await fetch(`${api}/kernelspecs`, { headers })).json()) as Kernelspecs
    // The machine may have some of its own, such as xonsh's.
    const { myjupyter, python3 } = specs.kernelspecs
    assert.ok(python3)
    assert.equal(myjupyter?.spec.display_name, 'Python 3 (ipykernel) (myjupyter*)')
    const body = JSON.stringify({ name: 'myjupyter' })
    const answer = await fetch(`${api}/kernels`, { method: 'POST', headers, body })
    const kernel = (await answer.json()) as { id: string }
    const started = () => kernelsOf(server.pid!).find(({ program }) => program.startsWith(`${copy}/bin/python`))?.number
    await until(() => started() !== undefined)
    const number = started()!
    await until(() => ignoresInterrupts(number))
    const tell = async (what: string) =>
      (await fetch(`${api}/kernels/${kernel.id}/${what}`, { method: 'POST', headers })).status
    assert.deepEqual([await tell('interrupt'), started()], [204, number])
    assert.equal(await tell('restart'), 200)
    await until(() => ![undefined, number].includes(started()))
    assert.equal((await fetch(`${api}/kernels/${kernel.id}`, { method: 'DELETE', headers })).status, 204)
  } finally {
    server.kill('SIGTERM')
    await new Promise((resolve) => server.once('exit', resolve))
  }
})

interface Kernelspecs {
  kernelspecs: Record<string, { spec: { display_name: string } }>
}

async function until(holds: () => boolean): Promise<void> {
  for (let at = 0; !holds(); at++) {
    assert.ok(at < 600)
    await pause(100)
  }
}

/** As a kernel does between two cells. Until it has started, an interrupt ends it, from wherever it runs. */
const ignoresInterrupts = (number: string): boolean =>
  (Number.parseInt(/^SigIgn:\s*(\w+)$/m.exec(readFileSync(`/proc/${number}/status`, 'utf8'))![1]!.slice(-1), 16) & 2) >
  0

/** The children of a process. */
function kernelsOf(parent: number): { number: string; program: string }[] {
  const numbers = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return numbers.flatMap((number) => {
    const program = `/proc/${number}/exe`
    return existsSync(program) ? [{ number, program: readlinkSync(program) }] : []
  })
}

test('an editor that asks the wrapper, by -I and a script, learns the prefix and the Python of the copy', (context) => {
  const ask = join(temporaryFolder(context), 'ask.py')
  writeFileSync(ask, 'import sys\nprint(sys.prefix, sys.executable, sys.flags.isolated)\n')
  assert.equal(output(join(wrappers, 'bin/python'), ['-I', ask]), `${copy} ${copy}/bin/python 1`)
})

test('processes that Python starts by its own path run from the copy, too', () => {
  const lines = output(join(wrappers, 'bin/python'), [join(HERE, 'workers.py')]).split('\n')
  assert.deepEqual(
    lines,
    ['fork', 'spawn', 'forkserver'].map((method) => `${method} ${copy}`),
  )
})

test('a worker that dask-jobqueue starts by Slurm, and its nanny, run from the copy', () => {
  const python = join(wrappers, 'bin/python')
  const result = output(join(original, 'bin/python'), [join(HERE, 'dask_cluster.py'), python, local], {
    env: { ...env, SLURM_CONF: slurm.config },
  })
  assert.deepEqual(JSON.parse(result), [copy, `${copy}/bin/python`])
})

test('no copy is made twice by all of these', () => {
  assert.equal(readdirSync(local).filter((name) => !name.startsWith('.')).length, 1)
})
