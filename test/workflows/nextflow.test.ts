/** The recipe of docs/recipes.md for Nextflow, with Nextflow. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { type Slurm, startSlurm } from '../jobs/slurm.ts'
import { CONDAS } from '../shells/world.ts'
import { WorkflowWorld } from './base.ts'
import { nextflow } from './nextflow.ts'

let command: string[]
let slurm: Slurm
before(async () => {
  command = await nextflow()
  slurm = await startSlurm()
})
after(() => slurm?.stop())

/** Starts a pipeline in the world's folder. Its standard output goes into `said`. */
function start(flow: WorkflowWorld, pipeline: string) {
  flow.world.write('main.nf', pipeline)
  const env = { ...flow.env, SLURM_CONF: slurm.config, NXF_HOME: join(flow.world.root, 'nextflow') }
  const [program, ...args] = [...command, 'run', 'main.nf', '-ansi-log', 'false']
  const child = spawn(program!, args, {
    cwd: flow.world.root,
    env: { ...env, NXF_OFFLINE: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said.text += text
    })
  return { child, said, ended: once(child, 'close') as Promise<[number | null]> }
}

interface Task {
  status: string
  printed: string
  log: string
}

/** The tasks of a process that have run. */
function tasksOf(flow: WorkflowWorld, process: string): Task[] {
  const scripts = globSync(join(flow.world.root, 'work/*/*/.command.run'))
  return scripts
    .filter((script) => readFileSync(script, 'utf8').includes(`\n# NEXTFLOW TASK: ${process} (`))
    .map((script) => {
      const file = (name: string) => {
        const path = join(dirname(script), name)
        return existsSync(path) ? readFileSync(path, 'utf8') : ''
      }
      return { status: file('.exitcode'), printed: file('.command.out'), log: file('.command.log') }
    })
}

/** What the page tells users to write into `beforeScript`, for the environment `other`. */
const hook = (flow: WorkflowWorld, options: string): string => `
    . '${dirname(flow.env.PATH!.split(':')[0]!)}/bin/activate' '${flow.prefixOf('other')}'
    eval "$('${LAUNCHER}' --source=bash)"
    conda-stage ${options}`

const NOWHERE = 'export CONDA_STAGE_PATH=/proc/nowhere'

for (const conda of CONDAS) {
  test(`Nextflow's tasks run from one copy, in jobs of Slurm or not, and from the original where nothing can be staged (${conda} conda)`, async () => {
    using flow = new WorkflowWorld(conda)
    flow.enable('--keep=60')
    const process = (name: string, lines: string) =>
      `process ${name} {\n  ${lines}\n  input: val n\n  script: 'place'\n}\n`
    const before = (lines: string) => `beforeScript '''${lines}'''`
    const environment = `conda '${flow.prefix}'`
    const run = start(
      flow,
      [
        'nextflow.enable.dsl = 2',
        process('jobs', `executor 'slurm'; ${environment}`),
        process('hooked', before(hook(flow, '--on-failure=continue'))),
        process('nowhere', `${before(NOWHERE)}; ${environment}`),
        process('hookedNowhere', before(`${NOWHERE}\n${hook(flow, '--on-failure=continue')}`)),
        process('strict', `errorStrategy 'ignore'; ${before(`${NOWHERE}\n${hook(flow, '')}`)}`),
        'workflow { jobs(Channel.of(1..5)); n = Channel.of(1); hooked(n); nowhere(n); hookedNowhere(n); strict(n) }',
      ].join('\n'),
    )
    flow.world.write(
      'nextflow.config',
      'conda.enabled = true\nexecutor { pollInterval = "1s"; queueStatInterval = "1s" }\n',
    )
    const [status] = await run.ended
    assert.equal(status, 0, run.said.text)

    const jobs = tasksOf(flow, 'jobs')
    const copy = jobs[0]!.printed.trim()
    assert.match(copy, new RegExp(`^${flow.local}/conda-stage_\\w+/my$`))
    assert.deepEqual(
      jobs.map(({ status, printed }) => [status, printed]),
      Array.from({ length: 5 }, () => ['0', `${copy}\n`]),
    )
    assert.equal(jobs.filter(({ log }) => log.includes('INFO: Extracting ')).length, 1)

    const [hooked] = tasksOf(flow, 'hooked')
    assert.match(hooked!.printed, new RegExp(`^${flow.local}/conda-stage_\\w+/other\n$`))
    const [nowhere, hookedNowhere, strict] = ['nowhere', 'hookedNowhere', 'strict'].map(
      (name) => tasksOf(flow, name)[0]!,
    )
    assert.deepEqual([nowhere!.status, nowhere!.printed], ['0', `${flow.prefix}\n`])
    assert.deepEqual([hookedNowhere!.status, hookedNowhere!.printed], ['0', `${flow.prefixOf('other')}\n`])
    assert.match(nowhere!.log, /^WARNING: .*was not staged/m)
    assert.deepEqual([strict!.status, strict!.printed], ['1', ''], 'what --on-failure=continue is for')

    // The copy of `my` is kept. The trap of Nextflow ended the shell of the other one: a process waits for that.
    for (let at = 0; flow.stages().length > 1; at++) {
      assert.ok(at < 300, `${flow.stages()}`)
      await pause(100)
    }
    assert.deepEqual(flow.stages(), [dirname(copy).slice(flow.local.length + 1)])
  })

  test(`a pipeline of Nextflow that is interrupted leaves no copy behind (${conda} conda)`, async () => {
    using flow = new WorkflowWorld(conda)
    flow.enable()
    flow.world.write('nextflow.config', 'conda.enabled = true\n')
    const pipeline = `process naps { conda '${flow.prefix}'; script: 'place > up; naps 60' }\nworkflow { naps() }\n`
    const { child, said, ended } = start(flow, pipeline)
    for (let at = 0; globSync(join(flow.world.root, 'work/*/*/up')).length === 0; at++) {
      assert.ok(at < 600 && child.exitCode === null, said.text)
      await pause(100)
    }
    assert.equal(flow.stages().length, 1)
    child.kill('SIGINT')
    await ended
    await flow.gone()
  })
}
