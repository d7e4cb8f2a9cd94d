/** A Slurm cluster of one node on this machine, entirely in a folder of its own: no root, no system service. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Slurm {
  /** The site makes `FOLDER/JOBID` as the local folder of a job: its SLURM_TMPDIR. */
  jobFolders: string
  /** For SLURM_CONF. */
  config: string
  /** Runs a batch script and waits for it and all tasks of its array. Returns the highest exit code; for a signal, as shells give it. */
  submit(job: Job): Promise<number>
  stop(): Promise<void>
}

interface Job {
  script: string
  /** Options of sbatch: --output=FILE, --array=1-8, ... */
  options: readonly string[]
  env: Record<string, string>
}

/** As many CPUs as tasks of an array are to run at once; Slurm takes our word for it. */
const CPUS = 8

export async function startSlurm(): Promise<Slurm> {
  const root = mkdtempSync(join(tmpdir(), 'slurm-'))
  const daemons: ChildProcess[] = []
  const stop = async () => {
    for (const daemon of daemons.reverse()) await ended(daemon)
    rmSync(root, { recursive: true })
  }
  try {
    const config = await configure(root)
    const env = { ...process.env, SLURM_CONF: config, PATH: `${process.env.PATH}:/usr/sbin` }
    const start = (command: string, ...args: string[]) =>
      void daemons.push(spawn(command, args, { env, stdio: 'ignore' }))
    start('munged', '--foreground', '--force', '--num-threads=2', ...mungeFiles(root))
    await until('munged', 'start', async () => await run('munge', [`--socket=${root}/munge.socket`, '-n'], { env }))
    start('slurmctld', '-D', '-c')
    start('slurmd', '-D', '-c', '-N', 'node')
    await until('slurmctld and slurmd', 'start', async () => {
      const { stdout } = await run('sinfo', ['--noheader', '--format=%T'], { env })
      if (stdout !== 'idle\n') throw new Error(`the node is ${stdout}`)
    })
    return { jobFolders: `${root}/n`, config, submit: (job) => submit(job, config), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function configure(root: string): Promise<string> {
  const me = process.getuid!()
  const host = hostname().split('.')[0]
  const [controlPort, nodePort] = [await freePort(), await freePort()]
  for (const folder of ['spool', 'state', 'n']) mkdirSync(`${root}/${folder}`)
  writeFileSync(`${root}/munge.key`, randomBytes(128), { mode: 0o400 })
  // As sites do: its output goes into the job's environment.
  script(`${root}/prolog`, `mkdir -m 700 ${root}/n/$SLURM_JOB_ID && echo export SLURM_TMPDIR=${root}/n/$SLURM_JOB_ID`)
  script(`${root}/epilog`, `chmod -R u+w ${root}/n/$SLURM_JOB_ID && rm -r ${root}/n/$SLURM_JOB_ID`)
  const path = `${root}/slurm.conf`
  const settings = `
    ClusterName=test
    SlurmctldHost=${host}(127.0.0.1)
    SlurmctldPort=${controlPort}
    SlurmUser=${me}
    SlurmdUser=${me}
    AuthType=auth/munge
    AuthInfo=socket=${root}/munge.socket
    CredType=cred/munge
    ProctrackType=proctrack/linuxproc
    TaskPlugin=task/none
    TaskProlog=${root}/prolog
    Epilog=${root}/epilog
    SelectType=select/cons_tres
    SelectTypeParameters=CR_CPU
    MpiDefault=none
    ReturnToService=2
    SlurmdParameters=config_overrides
    SchedulerParameters=sched_interval=1
    SlurmdSpoolDir=${root}/spool
    StateSaveLocation=${root}/state
    SlurmctldPidFile=${root}/slurmctld.pid
    SlurmdPidFile=${root}/slurmd.pid
    SlurmctldLogFile=${root}/slurmctld.log
    SlurmdLogFile=${root}/slurmd.log
    NodeName=node NodeHostname=${host} NodeAddr=127.0.0.1 Port=${nodePort} CPUs=${CPUS}
    PartitionName=main Nodes=node Default=YES MaxTime=INFINITE State=UP
  `
  writeFileSync(path, settings.replace(/^ +/gm, ''))
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

async function submit({ script, options, env }: Job, config: string): Promise<number> {
  const variables = { env: { ...env, SLURM_CONF: config } }
  const submission = run('sbatch', ['--parsable', ...options], variables)
  submission.child.stdin!.end(script)
  const id = (await submission).stdout.trim()
  let codes: number[] = []
  // sbatch's own --wait checks after 2, 10 and 42 seconds.
  await until(`job ${id}`, 'end', async () => {
    const { stdout } = await run('scontrol', ['show', 'job', '--oneliner', id], variables)
    const tasks = stdout.trim().split('\n')
    if (!tasks.every((task) => /JobState=(COMPLETED|FAILED) /.test(task))) throw new Error(stdout)
    codes = tasks.map((task) => {
      const [, code, signal] = / ExitCode=(\d+):(\d+) /.exec(task)!
      return Number(signal) > 0 ? 128 + Number(signal) : Number(code)
    })
  })
  return Math.max(...codes)
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

/** A port that is free now. Another program may take it before we do, but that is rare enough for a test. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
