/** --benchmark: how long a command takes from the original and from the copy. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import type { Benchmark } from '../../src/evidence/benchmark.ts'
import { timedRun } from '../../src/evidence/timed-run.ts'
import { temporaryFolder } from '../cli/world.ts'
import { type Node, nodeWith } from '../mount/world.ts'

const measure = async (node: Node, args: readonly string[], command: readonly string[]) => {
  const { status, stdout, stderr } = await node.exec(['--benchmark', ...args, '--', ...command])
  return { status, stdout, stderr, log: existsSync(logOf(node)) ? readFileSync(logOf(node), 'utf8') : '' }
}

const logOf = ({ env }: Node) => `${env.HOME}/log`

/** Where it ran, and whether a copy was there. */
const LOGS = 'echo "$CONDA_PREFIX $(ls "$CONDA_STAGE_PATH" | wc -l)" >> ~/log; echo noise'

test('the original starts first, before anything is staged; then both in turns, and nothing is left', async (context) => {
  const node = await nodeWith(context)
  const { status, stdout, stderr, log } = await measure(node, ['--runs=2', '--json'], ['sh', '-c', LOGS])
  assert.equal(status, 0, stderr)
  const result = JSON.parse(stdout) as Benchmark
  const [original, copy] = [node.prefix, result.copy.prefix]
  assert.deepEqual(log.trim().split('\n'), [
    `${original} 0`,
    ...[copy, original, copy, original, copy].map((prefix) => `${prefix} 1`),
  ])
  assert.deepEqual([result.original.repeated.length, result.copy.repeated.length, result.staging.joined], [2, 2, false])
  assert.doesNotMatch(`${stdout}\n${stderr}`, /^noise/m)
  assert.ok(await node.isEmpty())
})

test('where look-ups are slow, the copy is faster, and the answer says after how many starts staging has paid for itself', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const node = await nodeWith(context)
  const slow = await mountSlow(node.prefix, node.prefix, { latencyMs: 10, validSeconds: 0 })
  try {
    const reads = 'for i in 1 2 3 4 5; do cat "$CONDA_PREFIX/conda-meta/history"; done'
    const { stdout, stderr } = await measure(node, ['--runs=3'], ['sh', '-c', reads])
    assert.match(stdout, /original, repeated +\d\.\d{3} s/, stderr)
    assert.match(stdout, /A repeated start is \d+\.\d times as fast from the copy/)
    assert.match(stdout, /Staging took \d.*and has paid for itself after \d+ starts?\./)
  } finally {
    await slow.unmount()
  }
})

test('where nothing is gained, it says that staging is not worth it', async (context) => {
  const node = await nodeWith(context)
  const { stdout } = await measure(node, ['--runs=3'], ['sleep', '0.2'])
  assert.match(stdout, /Staging is not worth it for this command: (?:a start from the copy takes as long|equal starts)/)
})

test('a command that takes a millisecond is no division by nothing, and the shell has none of its own in its place', async (context) => {
  const node = await nodeWith(context)
  const { stdout } = await measure(node, ['--runs=1', '--json'], ['true'])
  const { ratio } = JSON.parse(stdout)
  assert.ok(ratio.first > 0 && ratio.repeated > 0, stdout)
  const odd = await measure(node, ['--runs=1'], ['compgen'])
  assert.equal(odd.status, 1)
  assert.match(odd.stderr, /compgen ended with status 127/)
})

test('it says so if the first start from the original was not a cold one', async (context) => {
  const node = await nodeWith(context)
  const first = (seconds: number, others: number) =>
    `mkdir "${node.root}/cache/${seconds}" 2> /dev/null && exec sleep ${seconds}; sleep ${others}`
  const cold = await measure(node, ['--runs=1'], ['sh', '-c', first(0.6, 0.1)])
  assert.doesNotMatch(cold.stdout, /not a cold one/)
  const warm = await measure(node, ['--runs=1', '--json'], ['sh', '-c', first(0.1, 0.3)])
  assert.equal(JSON.parse(warm.stdout).firstWasCold, false)
  assert.match((await measure(node, ['--runs=1'], ['sh', '-c', first(0.11, 0.3)])).stdout, /not a cold one/)
})

test('a command that fails stops the measuring, with its status and its last lines', async (context) => {
  const node = await nodeWith(context)
  const command = ['sh', '-c', `${LOGS}; echo first; echo the reason >&2; exit 4`]
  const { status, stdout, stderr, log } = await measure(node, ['--json'], command)
  assert.deepEqual([status, JSON.parse(stdout).error.code, log.trim().split('\n').length], [1, 'COMMAND_FAILED', 1])
  assert.match(stderr, /ended with status 4, from .*\n.*\n.*first\n.*the reason\n/)
  assert.ok(await node.isEmpty())
})

test('a call that is stopped ends the command and all that it has started, and removes the copy', async (context) => {
  const node = await nodeWith(context)
  const waits = `[ -e ~/log ] || exec touch ~/log; sleep 600 & echo $! > ~/child; touch ~/up; wait`
  const isRunning = () => existsSync(`/proc/${readFileSync(`${node.env.HOME}/child`, 'utf8').trim()}/exe`)
  const { child, ended } = node.start(['--benchmark', '--', 'sh', '-c', waits])
  for (let tries = 0; tries < 200 && !existsSync(`${node.env.HOME}/up`); tries++) await pause(50)
  assert.equal(isRunning(), true)
  child.kill('SIGTERM')
  assert.equal((await ended).status, 143)
  assert.ok(await node.isEmpty())
  for (let tries = 0; tries < 100 && isRunning(); tries++) await pause(50)
  assert.equal(isRunning(), false)
})

/** Burns time in itself and in two generations of children, and writes down what the kernel says about them. */
const BURNS = `
import os, resource, subprocess, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: os.stat("/")
if sys.argv[1:] == ["leaf"]: burn(0.15)
elif sys.argv[1:] == ["child"]:
    burn(0.1); subprocess.run([sys.executable, "-SEs", __file__, "leaf"])
else:
    burn(0.1); subprocess.run([sys.executable, "-SEs", __file__, "child"])
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(sum(each.ru_utime for each in both), sum(each.ru_stime for each in both))
`

test("the processor time is that of the command and of its children's children, to some milliseconds", async (context) => {
  const folder = temporaryFolder(context)
  writeFileSync(`${folder}/burns.py`, BURNS)
  chmodSync(folder, 0o755)
  const env = { PATH: '/usr/bin:/bin' }
  const run = await timedRun([], ['/usr/bin/python3', '-SEs', `${folder}/burns.py`], { env, cwd: folder })
  const [user, sys] = run.said.split(' ').map(Number)
  assert.equal(run.status, 0, run.said)
  assert.ok(user! + sys! >= 0.25)
  for (const [measured, known] of [
    [run.user, user],
    [run.sys, sys],
  ] as const)
    assert.ok(measured >= known! - 0.002 && measured < known! + 0.06, `${measured} is not ${known}`)
  assert.ok(run.real >= 0.25)
})
