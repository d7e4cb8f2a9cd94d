/** An environment on a file server that fails or hangs on request. Its archive goes beside it, onto the same server. */
import assert from 'node:assert/strict'
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, renameSync, utimesSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mountSlow, type SlowMount } from '../../bench/slowfs/mount.ts'
import { copiedWorld, LAUNCHER, listing, type World } from '../cli/world.ts'

export type Fault = Parameters<SlowMount['hang']>[0]

export interface Served extends World {
  server: SlowMount
  /** What the server has, to be looked at behind its back. */
  behind: string
  /** The original, and the names of what is beside it and in the local folder. A call that fails changes none of it. */
  state(): unknown
}

/** The kernel remembers nothing of the server's answers. */
export async function served(context: TestContext, body: (place: Served) => Promise<void>): Promise<void> {
  const place = await copiedWorld(context)
  const at = dirname(place.prefix)
  const behind = `${place.root}/behind`
  renameSync(at, behind)
  mkdirSync(at)
  const server = await mountSlow(behind, at, { latencyMs: 0, bandwidthMb: 0, validSeconds: 0 })
  const state = () => [listing(`${behind}/${place.name}`), readdirSync(behind), readdirSync(place.local)]
  try {
    await body({ ...place, server, behind, state })
  } finally {
    await server.release().catch(() => {})
    await server.unmount()
  }
}

export const pack = ({ prefix }: World) => ['--pack', `--prefix=${prefix}`, '--force']
export const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]
export const check = ({ prefix }: World) => ['--pack', `--prefix=${prefix}`, '--check=full']

/** Makes the kernel forget the bytes of a file that it has from calls before. */
export const forget = (path: string): void => utimesSync(path, new Date(), new Date())

/** Until a program waits for the server. */
export async function untilItWaits({ server }: Served, child: ChildProcess): Promise<void> {
  while ((await server.counters()).waiting === 0) {
    assert.equal(child.exitCode, null, 'it has ended without having to wait')
    await sleep(20)
  }
  // As many wait as can.
  await sleep(100)
}

/** A bash that gets its lines one by one, with the shell function and the original active. */
export class Bash implements Disposable {
  readonly #place: Served
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  #said = ''

  static async start(place: Served): Promise<Bash> {
    const bash = new Bash(place)
    await bash.run(`trap : INT; eval "$('${LAUNCHER}' --source=bash)"`)
    return bash
  }

  private constructor(place: Served) {
    this.#place = place
    const env = { ...place.env, CONDA_PREFIX: place.prefix, CONDA_SHLVL: '1' }
    this.#child = spawn('bash', ['--norc'], { env, cwd: '/', detached: true, stdio: 'pipe' })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
      })
  }

  /** Gives what the lines print, and then the last one's status and the active environment. */
  async run(lines: string, { interrupted = false } = {}): Promise<string> {
    this.#said = ''
    this.#child.stdin.write(`${lines}\necho "status $? in $CONDA_PREFIX."\n`)
    if (interrupted) {
      await untilItWaits(this.#place, this.#child)
      process.kill(-this.#child.pid!, 'SIGINT')
    }
    const deadline = Date.now() + 15_000
    while (!/^status \d+ in .*\.$/m.test(this.#said)) {
      assert.ok(Date.now() < deadline, `${lines} still runs: ${this.#said}`)
      await sleep(20)
    }
    return this.#said
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    await once(this.#child, 'close')
  }

  [Symbol.dispose](): void {
    if (this.#child.exitCode === null) process.kill(-this.#child.pid!, 'SIGKILL')
  }
}
