/** Jobs on one node that share a copy, and what the scheduler does to them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { processFacts } from '../../src/platform/process-identity.ts'
import { LAUNCHER, stageOf, succeed, type World } from '../cli/world.ts'
import { leaderIn } from '../faults/kills/crowd.ts'
import { killIf } from '../faults/kills/kill.ts'
import { type Slurm, startSlurm } from './slurm.ts'
import { asUser } from './user.ts'

let slurm: Slurm
before(async () => {
  slurm = await startSlurm()
})
after(() => slurm.stop())

const TASKS = 16

const header = (tasks: number) => `#!/bin/bash -l
set -euo pipefail
touch ~/begun-$SLURM_JOB_ID
until [[ $(ls ~ | grep -c begun) -ge ${tasks} ]]; do sleep 0.1; done
`

/** Each task waits for all others, stages into a folder of the node, and says from where its program runs. */
const script = ({ local }: World, tasks: number, then = '') => `${header(tasks)}
conda activate myjupyter
conda-stage --path='${local}'
echo "runs from $(greet --prefix)"
${then}
`

/** A task that runs its program until it may end, and fails if that is gone. */
const WORKING = `until [[ -e ~/go ]]; do greet --prefix > /dev/null; sleep 0.1; done`

const begin = ({ root, env }: World, text: string, tasks: number, ...options: string[]) =>
  slurm.begin({
    script: text,
    options: [
      `--output=${root}/out/${tasks === 1 ? '%j' : '%A_%a'}`,
      '--open-mode=append',
      ...(tasks === 1 ? [] : [`--array=1-${tasks}`]),
      ...options,
    ],
    env,
  })

/** By job or task. */
const outputs = ({ root }: World): Map<string, string> =>
  new Map(readdirSync(`${root}/out`).map((id) => [id, readFileSync(`${root}/out/${id}`, 'utf8')]))

const said = (place: World): string => [...outputs(place).values()].join('\n')

const count = (place: World, what: RegExp): number => said(place).match(new RegExp(what, 'gm'))?.length ?? 0

/** The copies from which the jobs' programs ran. */
const copies = (place: World): string[] => [
  ...new Set([...said(place).matchAll(/^runs from (.*)$/gm)].map(([, prefix = '']) => prefix)),
]

const go = ({ env }: World) => writeFileSync(`${env.HOME}/go`, '')

/** So large that a stage takes long enough to be met. */
function enlarge({ prefix }: World): void {
  for (let n = 0; n < 24; n++) writeFileSync(`${prefix}/share/noise-${n}`, randomBytes(1_500_000))
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    assert.ok(waited < 30_000, what)
    await pause(20)
  }
}

/** As a user who is logged in on the node. */
const clean = (place: World, config = slurm.config) =>
  succeed(place, ['--clean', `--path=${place.local}`], { env: { SLURM_CONF: config } })

const noneLeft = ({ local }: World) => until('no copy is left', () => readdirSync(local).length === 0)

/** Stops the process that makes the copy. Returns its task, and what kills it. */
async function stoppedMaker({ local, root }: World): Promise<{ task: string; kill: () => void }> {
  let task: string | undefined
  let pid = 0
  await until('a task makes the copy', () => {
    pid = leaderIn(local) ?? 0
    killIf(pid, 'SIGSTOP', ({ env }) => {
      if (!env.includes(root) || !readdirSync(local).some((name) => name.startsWith('conda-stage_'))) return false
      const of = (name: string) => new RegExp(`(?:^|\\0)${name}=(\\d+)`).exec(env)?.[1]
      // The job number of a task may be that of its array.
      task = of('SLURM_ARRAY_TASK_ID') ? `${of('SLURM_ARRAY_JOB_ID')}_${of('SLURM_ARRAY_TASK_ID')}` : of('SLURM_JOB_ID')
      return task !== undefined
    })
    return task !== undefined
  })
  return { task: task!, kill: () => killIf(pid, 'SIGKILL', ({ env }) => env.includes(root)) }
}

/** Sends a signal to the processes that wait for the ends of sessions. Returns how many there are. */
function toWatchers({ local }: World, signal: NodeJS.Signals): number {
  const isWatcher = (pid: string): boolean => {
    try {
      return new RegExp(`^/bin/bash\\0\\S+/watch\\.sh\\0.*\\0${local}/`, 's').test(
        readFileSync(`/proc/${pid}/cmdline`, 'latin1'),
      )
    } catch {
      return false
    }
  }
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isWatcher(name))
  // Not a fork that is about to become another program: nobody would be left who waits for its end.
  const watchers = all.filter((pid) => !all.includes(String(processFacts(Number(pid))?.parent)))
  return watchers.filter((pid) => killIf(Number(pid), signal, () => isWatcher(pid))).length
}

test(`${TASKS} tasks of a Slurm array that start together on a node share one copy, which goes with the last`, (context) =>
  asUser(context, async (place) => {
    const ways = [
      `conda activate myjupyter; conda-stage --path='${place.local}'`,
      `P=$(conda-stage --prefix='${place.prefix}' --path='${place.local}'); PATH=$P/bin:$PATH`,
      `PATH=$('${LAUNCHER}' --prefix='${place.prefix}' --path='${place.local}')/bin:$PATH`,
    ]
    const all = `${header(TASKS)}
case $((SLURM_ARRAY_TASK_ID % 3)) in
${ways.map((way, at) => `${at}) ${way} ;;`).join('\n')}
esac
echo "runs from $(greet --prefix)"
touch ~/staged-$SLURM_JOB_ID
until [[ $(ls ~ | grep -c staged) == ${TASKS} ]]; do sleep 0.1; done
case $((SLURM_ARRAY_TASK_ID % 3)) in
0) ;;
1) conda-stage --unstage --prefix="$P" ;;
2) '${LAUNCHER}' --unstage --prefix="$(greet --prefix)" ;;
esac
`
    const tasks = await slurm.endOf(await begin(place, all, TASKS))
    assert.deepEqual([...new Set(tasks.map(({ state, code }) => `${state} ${code}`))], ['COMPLETED 0'], said(place))
    assert.equal(count(place, /Packaging/), 1)
    assert.equal(count(place, /^INFO: Using the copy that is already staged/), TASKS - 1)
    assert.equal(count(place, /^runs from /), TASKS)
    assert.equal(copies(place).length, 1)
    assert.match(copies(place)[0]!, new RegExp(`^${place.local}/conda-stage_\\w+/myjupyter$`))
    await noneLeft(place)
  }))

for (const [what, options] of [
  ['cancelled', []],
  ['killed at once', ['--batch', '--signal=KILL']],
] as const)
  test(`if the Slurm task that makes the copy for others is ${what}, they go on, and nothing of it is left`, (context) =>
    asUser(context, async (place) => {
      enlarge(place)
      const array = await begin(place, script(place, 4), 4)
      const { task, kill } = await stoppedMaker(place)
      await slurm.command('scancel', ...options, task)
      // Slurm finds no process any more whose parent it has killed, and a stopped one may not even notice.
      if (what === 'killed at once') kill()
      for (const { id, state } of await slurm.endOf(array))
        assert.match(state, id === task ? /^(CANCELLED|FAILED)$/ : /^COMPLETED$/, said(place))
      assert.equal(copies(place).length, 1)
      assert.equal(count(place, /^runs from/), 3)
      await noneLeft(place)
    }))

test('of Slurm tasks that share a copy, one is cancelled, one killed and one requeued: it stays for the others and the requeued one', (context) =>
  asUser(context, async (place) => {
    const array = await begin(place, script(place, 4, WORKING), 4, '--requeue')
    await until('all run', () => count(place, /^runs from/) === 4)
    const ids = [...outputs(place)].sort(([, a], [, b]) => Number(/Packaging/.test(b)) - Number(/Packaging/.test(a)))
    const [killed, cancelled, requeued, other] = ids.map(([id]) => id) as [string, string, string, string]
    await slurm.command('scancel', '--batch', '--signal=KILL', killed)
    await slurm.command('scancel', cancelled)
    await slurm.command('scontrol', 'requeue', requeued)
    await until('the requeued one runs', () => count(place, /^runs from/) === 5)
    go(place)
    const states = new Map((await slurm.endOf(array)).map(({ id, state }) => [id, state]))
    assert.deepEqual(
      [killed, cancelled, requeued, other].map((id) => states.get(id)),
      ['FAILED', 'CANCELLED', 'COMPLETED', 'COMPLETED'],
      said(place),
    )
    assert.equal(count(place, /Packaging/), 1)
    assert.equal(copies(place).length, 1)
    await noneLeft(place)
  }))

test('a Slurm job that is requeued while it stages begins again, and leaves nothing', (context) =>
  asUser(context, async (place) => {
    enlarge(place)
    const job = await begin(place, script(place, 1), 1, '--requeue')
    await stoppedMaker(place)
    await slurm.command('scontrol', 'requeue', job)
    const [end] = await slurm.endOf(job)
    assert.deepEqual([end!.state, end!.code, copies(place).length], ['COMPLETED', 0, 1], said(place))
    await noneLeft(place)
  }))

test('of a Slurm job that is killed with all its processes, those that wait for its end included, the next job finds no trace', (context) =>
  asUser(context, async (place) => {
    const job = await begin(place, script(place, 1, WORKING), 1)
    await until('the job runs from its copy', () => copies(place).length === 1)
    await until('somebody waits for its end', () => toWatchers(place, 'SIGSTOP') === 1)
    await slurm.command('scancel', '--batch', '--signal=KILL', job)
    await slurm.endOf(job)
    toWatchers(place, 'SIGKILL')
    const [left] = readdirSync(place.local)
    const [next] = await slurm.endOf(await begin(place, script(place, 1), 1))
    assert.equal(next!.state, 'COMPLETED', said(place))
    assert.match(left!, /^conda-stage_/)
    await noneLeft(place)
  }))

test('no process of conda-stage keeps a Slurm job or one of its steps from ending', (context) =>
  asUser(context, async (place) => {
    const stage = `conda activate myjupyter && conda-stage --path='${place.local}' && conda-stage --prefix='${place.prefix}' --path='${place.local}'`
    const all = `${script(place, 1)}
conda-stage --prefix='${place.prefix}' --path='${place.local}'
'${LAUNCHER}' --prefix='${place.prefix}' --path='${place.local}'
srun bash -l -c "${stage} && touch ~/staged && ${WORKING}"
echo 'the step has ended'
`
    const job = await begin(place, all, 1)
    await until('the step runs', () => readdirSync(place.env.HOME!).includes('staged'))
    // Stopped ones end for nobody: neither when what they wait for ends, nor when they are asked to.
    await until('somebody waits for the ends', () => toWatchers(place, 'SIGSTOP') >= 4)
    go(place)
    const begun = Date.now()
    const [end] = await slurm.endOf(job)
    assert.deepEqual([end!.state, count(place, /the step has ended/)], ['COMPLETED', 1], said(place))
    // So long srun waits for whoever still has its output.
    assert.ok(Date.now() - begun < 50_000, 'Slurm has waited')
    // With proctrack/cgroup they are killed with the job.
    const left = toWatchers(place, 'SIGCONT')
    assert.ok(left === 0 || left >= 4, String(left))
    await until('all have ended', () => toWatchers(place, 'SIGCONT') === 0).catch((error: Error) => {
      throw new Error(`${error.message}\n${execFileSync('ps', ['-eww', '-o', 'pid,ppid,sid,stat,wchan,lstart,args'])}`)
    })
    await clean(place)
    await noneLeft(place)
  }))

test('a Slurm job between two of its steps keeps its copy from --clean, from sweeps and from others that leave, until it ends', (context) =>
  asUser(context, async (place) => {
    const job = await slurm.allocate(place.env)
    const env = { SLURM_CONF: slurm.config }
    // No shell function: the job holds the lease.
    const step = () =>
      slurm.command('srun', `--jobid=${job}`, LAUNCHER, `--prefix=${place.prefix}`, `--path=${place.local}`)
    const copy = (await step()).trim()
    const stands = () => assert.deepEqual(readdirSync(place.local), [basename(copy.replace(/\/myjupyter$/, ''))])
    assert.match(
      (await succeed(place, ['--list', `--path=${place.local}`], { env })).stdout,
      new RegExp(`^ {4}used by job ${job} since`, 'm'),
    )
    assert.match((await clean(place)).stderr, new RegExp(`^INFO: ${copy} stays: it is in use$`, 'm'))
    stands()
    const other = [`--session=${process.pid}`]
    assert.equal(await stageOf(place, other, { env }), copy)
    await succeed(place, ['--unstage', `--prefix=${copy}`, ...other], { env })
    stands()
    const broken = `${place.root}/slurm.conf`
    writeFileSync(broken, readFileSync(slurm.config, 'utf8').replace(/^SlurmctldPort=.*$/m, 'SlurmctldPort=1'))
    await slurm.command('scancel', job)
    await slurm.endOf(job)
    await clean(place, broken)
    stands()
    const { stderr } = await clean(place)
    assert.deepEqual(readdirSync(place.local), [], stderr)
  }))
