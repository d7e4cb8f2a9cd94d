/** A cluster of three nodes with a disk of their own each, a network file system with all homes, and a user's jobs. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow, type SlowMount } from '../../bench/slowfs/mount.ts'
import { succeed, type World, type WorldOptions, world } from '../cli/world.ts'
import { configure } from '../config/place.ts'
import { type Kind, type Slurm, startSlurm } from '../jobs/slurm.ts'
import { loadAtLogin } from '../jobs/user.ts'

const canMount = process.getuid!() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0

/** Why there can be no such cluster here, as a reason to skip tests; undefined if there can. */
export const unavailable = canMount
  ? slowfsUnavailable()
  : 'needs root, to give each node of the cluster a disk of its own'

export interface Cluster {
  slurm: Slurm
  /** The network file system. */
  net: SlowMount
  stop(): Promise<void>
}

export const NODES = ['n1', 'n2', 'n3'] as const

export async function startCluster(kind: Kind = {}): Promise<Cluster> {
  const root = mkdtempSync(join(tmpdir(), 'cluster-'))
  chmodSync(root, 0o755)
  mkdirSync(`${root}/net`)
  // Before the nodes, whose mounts are their own. Kept in the kernel for long, so that what is read twice still counts once.
  const net = await mountSlow(`${root}/net`, `${root}/net`, { latencyMs: 0, validSeconds: 60 })
  const slurm = await startSlurm({ nodes: NODES.length, diskMb: 300, ...kind })
  // The worlds of the tests.
  process.env.TMPDIR = `${root}/net`
  return {
    slurm,
    net,
    async stop() {
      await slurm.stop()
      await net.unmount()
      rmSync(root, { recursive: true })
    },
  }
}

export interface Job {
  code: number
  output: string
}

/** A user's home and environment on the network file system. */
export class User {
  readonly place: World
  readonly #slurm: Slurm

  private constructor(place: World, slurm: Slurm) {
    this.place = place
    this.#slurm = slurm
  }

  static async on({ slurm }: Cluster, context: TestContext, options: WorldOptions = {}): Promise<User> {
    const place = await world(context, options)
    loadAtLogin(place)
    configure(place, 'skip-local: false\n')
    return new User(place, slurm)
  }

  /** Makes the archive larger by so many MB that nothing compresses. */
  enlarge(mb: number): void {
    writeFileSync(`${this.place.prefix}/share/noise`, randomBytes(mb * 1e6))
  }

  async pack(): Promise<void> {
    await succeed(this.place, ['--pack', `--prefix=${this.place.prefix}`])
  }

  /** Runs a batch script in which the environment is active, on all nodes. */
  async job(lines: string, ...options: string[]): Promise<Job> {
    return await this.end(await this.begin(lines, ...options))
  }

  async begin(lines: string, ...options: string[]): Promise<string> {
    const { root, env } = this.place
    const script = `#!/bin/bash -l\nset -euo pipefail\nDISK='${this.#slurm.disk}'\nconda activate myjupyter\n${lines}\n`
    const to = [`--nodes=${NODES.length}`, `--output=${root}/out/%j.txt`]
    return await this.#slurm.begin({ script, options: [...to, ...options], env })
  }

  async end(id: string): Promise<Job> {
    const [end] = await this.#slurm.endOf(id)
    return { code: end!.code, output: this.output(id) }
  }

  /** What a job has written so far. */
  output(id: string): string {
    const file = `${this.place.root}/out/${id}.txt`
    return readdirSync(`${this.place.root}/out`).includes(`${id}.txt`) ? readFileSync(file, 'utf8') : ''
  }

  /** Runs a POSIX shell on one node, as root and in no job of the user's. */
  async on(node: string, script: string): Promise<string> {
    return await this.#slurm.command('srun', '--quiet', `--nodelist=${node}`, '--nodes=1', 'sh', '-euc', script)
  }

  /** What is on the disk of each node. */
  async disks(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const node of NODES)
      found[node] = (await this.on(node, `ls -A '${this.#slurm.disk}'`)).split('\n').filter((name) => name !== '')
    return found
  }
}

export const EMPTY = Object.fromEntries(NODES.map((node) => [node, []]))

/** Processes of ours on a node, by their numbers. */
export const agentsOn = (node: string): number[] => running('--on-node', `SLURMD_NODENAME=${node}`)

/** The program that a job's shell has called with `--nodes`. */
export const headOf = (id: string): number[] => running('--nodes=all', `SLURM_JOB_ID=${id}`)

/** Of Node, with this argument and this variable. */
function running(argument: string, variable: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const text = (name: string) => `\0${readFileSync(`/proc/${pid}/${name}`, 'latin1')}`
      try {
        return (
          /^\0\S*node\0/.test(text('cmdline')) &&
          text('cmdline').includes(`\0${argument}\0`) &&
          text('environ').includes(`\0${variable}\0`)
        )
      } catch {
        return false
      }
    })
    .map(Number)
}
