/** An original with its archive and a local folder, in which things are killed again and again. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { stateOf } from '../../end-to-end/tree.ts'
import { type Action, scriptOf } from './actions.ts'
import { type Call, COUNT, type Ended, type Kill, readCalls, runKilled, withOrders } from './kill.ts'
import { assertWhole, changeOriginal, makeOriginal } from './original.ts'

const FAST = '/dev/shm'
const execute = promisify(execFile)

export class KillWorld implements Disposable {
  readonly root = mkdtempSync(join(existsSync(FAST) ? FAST : tmpdir(), 'kills-'))
  readonly original = `${this.root}/home/me/miniconda3/envs/my`
  readonly archive = `${this.original}.tar.zst`
  readonly local = `${this.root}/local`
  /** A copy that this process uses. */
  stage = ''
  readonly #elsewhere = `${this.root}/elsewhere`
  readonly #launcher: string
  readonly #env: Record<string, string>
  #state = new Map<string, string>()

  /** @param installed launcher of an installation, to which the orders of the tests are added */
  static async make(installed: string): Promise<KillWorld> {
    const world = new KillWorld(installed)
    await world.#enable()
    writeFileSync(`${world.root}/hook`, await world.#call('--source=bash'))
    return world
  }

  private constructor(installed: string) {
    const program = `${this.root}/program`
    cpSync(dirname(dirname(installed)), program, { recursive: true, verbatimSymlinks: true })
    this.#launcher = `${program}/bin/conda-stage`
    writeFileSync(this.#launcher, withOrders(readFileSync(this.#launcher, 'utf8')))
    for (const path of [this.local, `${this.root}/home/me`, `${this.root}/run`, this.#elsewhere])
      mkdirSync(path, { recursive: true })
    this.#env = { HOME: `${this.root}/home/me`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
    makeOriginal(this.original)
  }

  /** The variables of a session's script. */
  get env(): Record<string, string> {
    const places = { C: this.#launcher, E: this.original, L: this.local, S: this.stage }
    return { ...this.#env, ...places, HOOK: `${this.root}/hook` }
  }

  /** Brings everything into the state that the action begins with. */
  async prepare({ archive, alone, debris }: Action): Promise<void> {
    if (!this.stages().includes(this.stage)) this.stage = await this.#makeStage()
    if (debris)
      await execute('sh', [
        '-c',
        'cp -a "$1" "$2" && rm -r "$2/.leases"',
        'sh',
        dirname(this.stage),
        `${this.local}/.conda-stage_Dead.removing`,
      ])
    if (alone) await this.#discard(this.stage)
    if (archive === 'none') rmSync(this.archive)
    if (archive === 'stale') changeOriginal(this.original)
    this.#state = stateOf(this.original)
  }

  run(action: Action, kill: Kill | typeof COUNT | undefined): Promise<Ended> {
    return runKilled(['bash', '--norc', '-c', scriptOf(action)], { env: this.env, kill, folder: `${this.root}/run` })
  }

  /** The calls of the action's program that can be aimed at, and how long the action takes then. */
  async calls(action: Action): Promise<{ ended: Ended; calls: Call[] }> {
    const ended = await this.run(action, COUNT)
    return {
      ended,
      calls: readCalls(`${this.root}/run`, [this.local, `${dirname(this.original)}/.`, this.archive, this.#elsewhere]),
    }
  }

  /** This process uses no copy any more. */
  async clear(): Promise<void> {
    for (const stage of this.stages()) await this.#discard(stage)
    this.stage = ''
  }

  /** What lies beside the environment and in the local folder, besides the archive and whole stages. */
  leftovers(): string[] {
    const beside = readdirSync(dirname(this.original)).filter((name) => name !== 'my' && name !== 'my.tar.zst')
    const inLocal = readdirSync(this.local).filter(
      (name) => !existsSync(`${this.local}/${name}/stage.json`) || !name.startsWith('conda-stage_'),
    )
    return [...beside, ...inLocal, ...readdirSync(this.#elsewhere).filter((name) => name !== 'a.zip')]
  }

  /** The prefixes of all stages. */
  stages(): string[] {
    return readdirSync(this.local)
      .filter((name) => name.startsWith('conda-stage_') && existsSync(`${this.local}/${name}/stage.json`))
      .map((name) => `${this.local}/${name}/my`)
  }

  /** The archive's identity; empty if there is none. */
  archiveIdentity(): string {
    const facts = lstatSync(this.archive, { bigint: true, throwIfNoEntry: false })
    return facts ? [facts.ino, facts.size, facts.mtimeNs].join(' ') : ''
  }

  assertOriginalUnchanged({ configures }: Action): void {
    const now = stateOf(this.original)
    if (configures)
      for (const state of [now, this.#state])
        for (const path of state.keys())
          if (/^etc(\/conda(\/(de)?activate\.d(\/\w+\.conda-stage-auto\.\w+)?)?)?$/.test(path)) state.delete(path)
    assert.deepEqual(now, this.#state)
  }

  async assertArchiveWhole(): Promise<void> {
    if (existsSync(this.archive)) await execute('sh', ['-c', 'tar --zstd -xOf "$1" > /dev/null', 'sh', this.archive])
  }

  assertStagesWhole(): void {
    for (const stage of this.stages()) {
      try {
        assertWhole(this.original, stage)
      } catch (error) {
        // The process that outlives a killed session removes it just now.
        if (this.stages().includes(stage)) throw error
      }
    }
  }

  /** As the next user, some time later, in another session: finds what is there, or makes it, and nothing else is left. */
  async next({ configures, keeps, zips }: Action): Promise<void> {
    if (zips) await this.#call('--pack', `--prefix=${this.original}`, `--output=${this.#elsewhere}/a.zip`, '--force')
    if (configures) await this.#enable()
    const mine = this.stages().includes(this.stage) ? this.stage : undefined
    const made = await this.#makeStage()
    assertWhole(this.original, made)
    if (keeps) for (const other of this.stages()) if (other !== made && other !== mine) await this.#discard(other)
    const used = mine === undefined || mine === made ? [made] : [made, mine]
    assert.deepEqual([this.leftovers(), this.stages()], [[], used.toSorted()])
    this.stage = made
    if (mine !== undefined && mine !== made) await this.#discard(mine)
  }

  async #discard(stage: string): Promise<void> {
    // Not the files: other copies may have them as well.
    await execute('sh', ['-c', 'find "$1" -type d -exec chmod u+w {} +; rm -r "$1"', 'sh', dirname(stage)])
  }

  #enable = () => this.#call('--auto-stage=enable', `--prefix=${this.original}`, `--path=${this.local}`)

  #makeStage = async () => (await this.#call(`--prefix=${this.original}`, `--path=${this.local}`, '--quiet')).trimEnd()

  async #call(...args: string[]): Promise<string> {
    return (await execute(this.#launcher, args, { env: this.#env })).stdout
  }

  [Symbol.dispose](): void {
    execFileSync('chmod', ['-R', 'u+rwX', this.root])
    rmSync(this.root, { recursive: true })
  }
}
