/**
 * A Slurm cluster on this machine, entirely in a folder of its own, without a system service. One node needs no root. The numbers of
 * its jobs are its own, too: other tests have clusters of theirs at the same time, and Slurm's processes show no more than these.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { killIf } from '../faults/kills/kill.ts'
import { freePort } from '../fixtures/free-port.ts'

const run = promisify(execFile)

export interface Slurm {
  /** The site makes `FOLDER/JOBID` as the local folder of a job: its SLURM_TMPDIR. */
  jobFolders: string
  /** For SLURM_CONF. */
  config: string
  /** With several nodes: where each has a disk of its own, open to all users. */
  disk: string
  /** Runs a batch script and waits for it and all tasks of its array. Returns the highest exit code; for a signal, as shells give it. */
  submit(job: Job): Promise<number>
  /** Hands a batch script in, and returns its number. */
  begin(job: Job): Promise<string>
  /** Waits for a job and all tasks of its array. */
  endOf(id: string): Promise<TaskEnd[]>
  /** Runs one of Slurm's own programs: scancel, scontrol, ... Returns what it prints. */
  command(...command: [string, ...string[]]): Promise<string>
  /** A job in which nothing runs but what srun starts, and between two such steps nothing. Returns its number. */
  allocate(env: Job['env']): Promise<string>
  stop(): Promise<void>
}

interface TaskEnd {
  /** JOB, or ARRAY_TASK. */
  id: string
  /** Its own number, which each task of an array has, too. */
  job: string
  /** COMPLETED, FAILED, CANCELLED, TIMEOUT, ... */
  state: string
  /** For a signal, as shells give it. */
  code: number
}

interface Job {
  script: string
  /** Options of sbatch: --output=FILE, --array=1-8, ... */
  options: readonly string[]
  env: Record<string, string>
}

/** As many CPUs as tasks of an array are to run at once; Slurm takes our word for it. */
const CPUS = 16

export interface Kind {
  /** Each job has a /tmp of its own, by job_container/tmpfs. That takes root. */
  privateTmp?: boolean
  /** So many nodes, n1 and so on, each in a mount namespace with a disk of its own of so many MB. That takes root. */
  nodes?: number
  diskMb?: number
  /** Goes in front of each daemon. Then other users, too, can hand in jobs. That takes root. */
  inFront?: readonly string[]
}

export async function startSlurm(more: Kind = {}): Promise<Slurm> {
  const root = mkdtempSync(join(tmpdir(), 'slurm-'))
  const daemons: ChildProcess[] = []
  const stop = async () => {
    for (const daemon of daemons.reverse()) await ended(daemon)
    rmSync(root, { recursive: true })
  }
  try {
    const config = await configure(root, more)
    const env = { ...process.env, SLURM_CONF: config, PATH: `${process.env.PATH}:/usr/sbin` }
    const start = (...command: string[]) => {
      const [program, ...args] = [...(more.inFront ?? []), ...command]
      daemons.push(spawn(program!, args, { env, stdio: 'ignore' }))
    }
    start('munged', '--foreground', '--force', '--num-threads=2', ...mungeFiles(root))
    await until('munged', 'start', async () => await run('munge', [`--socket=${root}/munge.socket`, '-n'], { env }))
    start('slurmctld', '-D', '-c')
    const names = nodeNames(more)
    for (const name of names)
      if (more.nodes === undefined) start('slurmd', '-D', '-c', '-N', name)
      else
        start(
          'unshare',
          ...WITH_A_DISK,
          '--',
          `${root}/disk`,
          `${more.diskMb ?? 500}`,
          'slurmd',
          '-D',
          '-c',
          '-N',
          name,
        )
    await until('slurmctld and slurmd', 'start', async () => {
      const { stdout } = await run('sinfo', ['--noheader', '--format=%T %D'], { env })
      if (stdout !== `idle ${names.length}\n`) throw new Error(`the nodes are ${stdout}`)
    })
    const variables = { env: { ...env, HOME: root } }
    return {
      jobFolders: `${root}/n`,
      config,
      disk: `${root}/disk`,
      submit: async (job) => Math.max(...(await endOf(await begin(job, config), variables)).map(({ code }) => code)),
      begin: (job) => begin(job, config),
      endOf: (id) => endOf(id, variables),
      command: async (program, ...args) => (await run(program, args, variables)).stdout,
      allocate: async (given) => {
        const { stderr } = await run('salloc', ['--no-shell'], { env: { ...given, SLURM_CONF: config } })
        return /Granted job allocation (\d+)/.exec(stderr)![1]!
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** `sh` gets the folder, the disk's size and the program. */
const WITH_A_DISK = [
  ...['--mount', '--propagation=private', 'sh', '-ec'],
  'mount -t tmpfs -o mode=1777,size=$2m disk "$1"; shift 2; exec "$@"',
]

const nodeNames = ({ nodes }: Kind): string[] =>
  nodes === undefined ? ['node'] : Array.from({ length: nodes }, (_, at) => `n${at + 1}`)

async function configure(root: string, { privateTmp = false, ...more }: Kind): Promise<string> {
  const me = process.getuid!()
  const host = hostname().split('.')[0]
  const names = nodeNames(more)
  const controlPort = await freePort()
  const nodes: string[] = []
  for (const name of names) {
    mkdirSync(`${root}/spool-${name}`)
    nodes.push(`NodeName=${name} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${await freePort()} CPUs=${CPUS}`)
  }
  for (const folder of ['state', 'n', 'disk']) mkdirSync(`${root}/${folder}`)
  if (more.inFront !== undefined) {
    chmodSync(root, 0o755)
    chmodSync(`${root}/n`, 0o1777)
  }
  writeFileSync(`${root}/munge.key`, randomBytes(128), { mode: 0o400 })
  // As sites do: its output goes into the job's environment.
  script(
    `${root}/prolog`,
    `mkdir -p -m 700 ${root}/n/$SLURM_JOB_ID && echo export SLURM_TMPDIR=${root}/n/$SLURM_JOB_ID`,
  )
  script(`${root}/epilog`, `cd ${root}/n/$SLURM_JOB_ID || exit 0; chmod -R u+w . && rm -r ${root}/n/$SLURM_JOB_ID`)
  const path = `${root}/slurm.conf`
  const settings = `
    ClusterName=test
    FirstJobId=${randomInt(1, 60_000_000)}
    SlurmctldHost=${host}(127.0.0.1)
    SlurmctldPort=${controlPort}
    SlurmUser=${me}
    SlurmdUser=${me}
    AuthType=auth/munge
    AuthInfo=socket=${root}/munge.socket,cred_expire=5
    CredType=cred/munge
    ProctrackType=${process.env.CONDA_STAGE_TEST_PROCTRACK ?? 'proctrack/linuxproc'}
    TaskPlugin=task/none
    ${more.nodes === undefined ? `TaskProlog=${root}/prolog\nEpilog=${root}/epilog` : ''}
    SelectType=select/cons_tres
    SelectTypeParameters=CR_CPU
    MpiDefault=none
    KillWait=2
    ${privateTmp ? 'JobContainerType=job_container/tmpfs\nPrologFlags=Contain' : ''}
    ReturnToService=2
    SlurmdParameters=config_overrides
    SchedulerParameters=sched_interval=1
    SlurmdSpoolDir=${root}/spool-%n
    StateSaveLocation=${root}/state
    SlurmctldPidFile=${root}/slurmctld.pid
    SlurmdPidFile=${root}/slurmd-%n.pid
    SlurmctldLogFile=${root}/slurmctld.log
    SlurmdLogFile=${root}/slurmd-%n.log
    ${nodes.join('\n')}
    PartitionName=main Nodes=${names.join(',')} Default=YES MaxTime=INFINITE State=UP
  `
  writeFileSync(path, settings.replace(/^ +/gm, ''))
  if (privateTmp) writeFileSync(`${root}/job_container.conf`, `AutoBasePath=true\nBasePath=${root}/containers\n`)
  return path
}

const mungeFiles = (root: string): string[] => [
  `--key-file=${root}/munge.key`,
  `--socket=${root}/munge.socket`,
  `--pid-file=${root}/munged.pid`,
  `--log-file=${root}/munged.log`,
  `--seed-file=${root}/munged.seed`,
]

function script(path: string, line: string): void {
  writeFileSync(path, `#!/bin/sh\n${line}\n`)
  chmodSync(path, 0o755)
}

async function begin({ script, options, env }: Job, config: string): Promise<string> {
  const submission = run('sbatch', ['--parsable', ...options], { env: { ...env, SLURM_CONF: config } })
  submission.child.stdin!.end(script)
  return (await submission).stdout.trim()
}

async function endOf(id: string, variables: { env: NodeJS.ProcessEnv }): Promise<TaskEnd[]> {
  let tasks: TaskEnd[] = []
  // sbatch's own --wait checks after 2, 10 and 42 seconds.
  await until(`job ${id}`, 'end', async () => {
    const { stdout } = await run('scontrol', ['show', 'job', '--oneliner', id], variables)
    tasks = stdout.trim().split('\n').map(taskEnd)
    if (tasks.some(({ state }) => /PENDING|RUNNING|COMPLETING|REQUEUED/.test(state))) throw new Error(stdout)
  })
  for (const { job } of tasks) await withoutDaemons(job)
  return tasks
}

/**
 * Slurm calls a job completed while its slurmstepd still ends, which takes seconds on a busy machine. To us the job runs so long.
 * One that hangs is no business of these tests.
 */
async function withoutDaemons(id: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const daemons = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isDaemonOf(id, pid))
    if (daemons.length === 0) return
    if (tries > 100) for (const pid of daemons) killIf(Number(pid), 'SIGKILL', () => isDaemonOf(id, pid))
    await sleep(100)
  }
}

function isDaemonOf(id: string, pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`slurmstepd: [${id}.`)
  } catch {
    return false
  }
}

function taskEnd(line: string): TaskEnd {
  const of = (name: string): string => new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1] ?? ''
  const [code, signal] = of('ExitCode').split(':').map(Number) as [number, number]
  const id = of('ArrayTaskId') ? `${of('ArrayJobId')}_${of('ArrayTaskId')}` : of('JobId')
  return { id, job: of('JobId'), state: of('JobState'), code: signal > 0 ? 128 + signal : code }
}

async function until(what: string, does: string, body: () => Promise<unknown>): Promise<void> {
  let last: unknown
  for (let tries = 0; tries < 600; tries++) {
    try {
      await body()
      return
    } catch (error) {
      last = error
      await sleep(100)
    }
  }
  throw new Error(`${what} did not ${does}: ${last}`)
}

async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return
  daemon.kill('SIGTERM')
  const impatience = setTimeout(() => daemon.kill('SIGKILL'), 10_000)
  await once(daemon, 'exit')
  clearTimeout(impatience)
}
