/** The recipe of docs/recipes.md for JupyterHub: a real hub and its proxy, Slurm, and users who log in. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { copiedWorld } from '../cli/world.ts'
import { freePort } from '../fixtures/free-port.ts'
import { kept } from '../fixtures/kept.ts'
import { type Slurm, startSlurm } from '../jobs/slurm.ts'
import { NEEDS_ROOT } from '../platform/other-users.ts'
import { HUB, pythonEnvironment, roomyFolder } from './python-environment.ts'

const PROXY = 'configurable-http-proxy@5.3.0'
const HERE = join(import.meta.dirname, 'jupyterhub')
const ROOT = join(import.meta.dirname, '../..')

/** The hub's users, by number. */
const USERS = { wrapper: 54_331, prologue: 54_332, unlucky: 54_333 } as const
type User = keyof typeof USERS

const root = mkdtempSync(join(roomyFolder(), 'hub-'))
const original = join(root, 'envs/hub')
const wrappers = join(root, 'wrappers')
const homeOf = (user: User) => join(root, 'home', user)
/** Where a user's copies are. */
const localOf = (user: User) => join(root, 'local', user)

/** Goes in front of a program that is to know these users, and this checkout as CHECKOUT, wherever it lies. */
const MACHINE = [
  ...['unshare', '--mount', '--propagation=private', 'sh', '-euc'],
  `mount -t tmpfs -o mode=755 tmpfs /mnt
  mount --bind "$1/passwd" /etc/passwd
  mkdir /mnt/checkout
  mount --bind "$2" /mnt/checkout
  shift 2
  exec "$@"`,
  ...['sh', root, ROOT],
]
const LAUNCHER = '/mnt/checkout/bin/conda-stage'

/** What `conda activate` leaves, and then the hook that the page gives. */
const hook = (prefix: string, launcher: string, shell: 'bash' | 'sh') =>
  `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV=hub CONDA_SHLVL=1 PATH='${prefix}/bin':$PATH
eval "$('${launcher}' --source=${shell})"
conda-stage --on-failure=continue`
const HOOK = `${hook(original, LAUNCHER, 'bash')}\nexport SLURM_EXPORT_ENV=ALL`

let slurm: Slurm
let hub: ChildProcess
let address = ''
let log = ''

before(async () => {
  await pythonEnvironment(original, HUB)
  if (NEEDS_ROOT !== false) return
  chmodSync(root, 0o755)
  makeUsers()
  onMachine(LAUNCHER, `--wrappers=${wrappers}`, `--prefix=${original}`, '--programs=batchspawner-singleuser')
  slurm = await startSlurm({ inFront: MACHINE })
  await startHub()
})

after(async () => {
  // It ends its proxy and what it has started for users.
  if (hub?.kill('SIGTERM')) await once(hub, 'exit')
  await slurm?.stop()
  for (const uid of Object.values(USERS)) rmSync(`/tmp/conda-stage-notes-${uid}`, { recursive: true, force: true })
  rmSync(root, { recursive: true })
})

const onMachine = (...command: string[]): string => {
  const [program, ...args] = [...MACHINE, ...command]
  return execFileSync(program!, args, { encoding: 'utf8', cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
}

function makeUsers(): void {
  const lines = [execFileSync('cat', ['/etc/passwd'], { encoding: 'utf8' })]
  for (const [user, uid] of Object.entries(USERS) as [User, number][]) {
    lines.push(`${user}:x:${uid}:${uid}::${homeOf(user)}:/bin/bash\n`)
    for (const folder of [homeOf(user), localOf(user)]) {
      mkdirSync(folder, { recursive: true })
      chownSync(folder, uid, uid)
    }
  }
  writeFileSync(join(root, 'passwd'), lines.join(''))
}

async function startHub(): Promise<void> {
  const ports = [await freePort(), await freePort(), await freePort()]
  address = `http://127.0.0.1:${ports[0]}`
  const settings = (user: User, how: object, path = localOf(user)) => ({
    [user]: {
      environment: { SLURM_CONF: slurm.config, CONDA_STAGE_PATH: path, CONDA_STAGE_SKIP_LOCAL: 'false' },
      ...how,
    },
  })
  const byWrapper = {
    batchspawner_singleuser_cmd: join(wrappers, 'bin/batchspawner-singleuser'),
    cmd: [join(original, 'bin/jupyterhub-singleuser')],
  }
  const users = {
    ...settings('wrapper', byWrapper),
    ...settings('prologue', { req_prologue: HOOK }),
    ...settings('unlucky', { req_prologue: HOOK }, '/proc/nowhere'),
  }
  const given = { ports, users, proxy: [process.execPath, await proxyProgram()] }
  const [program, ...args] = [...MACHINE, join(original, 'bin/jupyterhub'), `--config=${HERE}/jupyterhub_config.py`]
  const folder = join(root, 'hub')
  mkdirSync(folder)
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', SLURM_CONF: slurm.config, HUB: JSON.stringify(given) }
  hub = spawn(program!, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [hub.stdout!, hub.stderr!])
    stream.setEncoding('utf8').on('data', (text) => {
      log += text
    })
  await until('the hub runs', () => /JupyterHub is now running/.test(log) || hub.exitCode !== null)
  assert.equal(hub.exitCode, null, log)
}

async function proxyProgram(): Promise<string> {
  const folder = await kept(`npm-${PROXY}`, (aside) => {
    execFileSync('npm', ['install', '--silent', '--no-save', `--prefix=${aside}`, PROXY], { stdio: ['ignore', 2, 2] })
  })
  return join(folder, 'node_modules/configurable-http-proxy/bin/configurable-http-proxy')
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1200, `${what}\n${log}`)
    await pause(100)
  }
}

/** Logs in, runs a kernel and stops the server. Returns the kernel's prefix and Python, and the program of the server. */
async function sessionOf(user: User): Promise<[string, string, string]> {
  const browser = spawn(join(original, 'bin/python'), [join(HERE, 'hub_user.py'), address, user])
  let said = ''
  let errors = ''
  browser.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  browser.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
    browser.stdin.write('\n')
  })
  const [status] = await once(browser, 'close')
  assert.equal(status, 0, `${errors}\n${outputOf(user)}\n${log}`)
  return JSON.parse(said)
}

/** Of the user's job. */
const outputOf = (user: User): string =>
  execFileSync('sh', ['-c', 'cat "$1"/jupyterhub_slurmspawner_*.log', '-', homeOf(user)], { encoding: 'utf8' })

const copiesOf = (user: User): string[] => readdirSync(localOf(user)).filter((name) => !name.startsWith('.'))

/** Nothing that the user's job has started runs any more. */
const ended = (user: User) =>
  until(`all of ${user} ends`, () => spawnSync('ps', ['-o', 'pid=', '-U', `${USERS[user]}`]).stdout.length === 0)

test('JupyterHub with batchspawner on Slurm: server and kernel run from the copy by a wrapper, or by a prologue, or from the original where nothing can be staged; and after the server is stopped, nothing of it is left', {
  skip: NEEDS_ROOT,
}, async () => {
  const users = Object.keys(USERS) as User[]
  const said = await Promise.all(users.map(sessionOf))
  for (const [at, user] of users.entries()) {
    const [prefix, executable, server] = said[at]!
    const place = user === 'unlucky' ? original : new RegExp(`^${localOf(user)}/conda-stage_\\w+/hub$`)
    if (place instanceof RegExp) assert.match(prefix, place)
    else assert.equal(prefix, place, outputOf(user))
    assert.deepEqual([executable, server], [`${prefix}/bin/python`, `${prefix}/bin/python3.11`])
    await ended(user)
  }
  assert.match(outputOf('unlucky'), /^WARNING: .*was not staged/m)
  assert.equal((await slurm.command('squeue', '--noheader')).trim(), '')
  assert.deepEqual(copiesOf('prologue'), [])
  // A wrapper's copy waits for the next server.
  assert.equal(copiesOf('wrapper').length, 1)
  const asUser = ['runuser', '-u', 'wrapper', '--', 'env', `HOME=${homeOf('wrapper')}`]
  onMachine(...asUser, LAUNCHER, '--clean', `--path=${localOf('wrapper')}`)
  assert.deepEqual(copiesOf('wrapper'), [])
})

test("batchspawner's scripts for PBS, Torque and LSF run in sh: with --source=sh in the prologue, the server starts from the copy, or from the original where nothing can be staged", async (context) => {
  const { prefix, local, env } = await copiedWorld(context)
  const prologue = hook(prefix, join(ROOT, 'bin/conda-stage'), 'sh')
  const spawners = ['PBSSpawner', 'TorqueSpawner', 'LsfSpawner']
  const args = [join(HERE, 'batch_scripts.py'), prologue, 'command -v greet', ...spawners]
  const scripts: string[] = JSON.parse(execFileSync(join(original, 'bin/python'), args, { encoding: 'utf8' }))
  assert.equal(scripts.length, spawners.length)
  for (const script of scripts) {
    assert.match(script, /^#!\/bin\/sh$/m)
    assert.match(script, /^set -eu$/m)
    const run = (path: string) => {
      const variables = { ...env, CONDA_STAGE_PATH: path, CONDA_STAGE_SKIP_LOCAL: 'false' }
      return execFileSync('dash', {
        input: script,
        encoding: 'utf8',
        env: variables,
        stdio: ['pipe', 'pipe', 'ignore'],
      })
    }
    assert.match(run(local), new RegExp(`^${local}/conda-stage_\\w+/myjupyter/bin/greet\n$`), script)
    assert.equal(run('/proc/nowhere'), `${prefix}/bin/greet\n`, script)
    assert.deepEqual(readdirSync(local), [], script)
  }
})
