/** A tiny original, an archive and a local folder, brought into the same state again and again, at the same paths. */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { stateOf } from '../../end-to-end/tree.ts'
import { assertWhole, changeOriginal } from '../kills/original.ts'

const FAST = '/dev/shm'
const MOST_MS = 40_000
const execute = promisify(execFile)
const PREDICTABLE = join(import.meta.dirname, 'predictable.ts')

export interface Ended {
  /** Exit code, or the name of the signal that ended the program. */
  status: number | string
  stdout: string
  stderr: string
}

/** What is there: the original alone; also its archive; an archive that is out of date; an archive and a copy. */
export type State = 'plain' | 'packed' | 'stale' | 'staged'

export class Scene implements Disposable {
  readonly #folder = mkdtempSync(join(existsSync(FAST) ? FAST : tmpdir(), 'calls-'))
  /** Everything that the program works with. */
  readonly root = `${this.#folder}/now`
  readonly original = `${this.root}/home/me/miniconda3/envs/myenvironment`
  readonly archive = `${this.original}.tar.zst`
  readonly local = `${this.root}/local`
  /** The copy of the state `staged`. */
  staged = ''
  readonly #program: string
  #before = new Map<string, string>()
  #archiveBefore = ''

  /** @param installed launcher of an installation */
  static async make(installed: string): Promise<Scene> {
    const scene = new Scene(`${dirname(dirname(installed))}/dist/bin.cjs`)
    scene.#save('plain')
    await scene.#prepare(['--pack', `--prefix=${scene.original}`])
    scene.#save('packed')
    changeOriginal(scene.original)
    scene.#save('stale')
    scene.restore('packed')
    scene.staged = (await scene.#prepare(scene.stageArgs())).trimEnd()
    scene.#save('staged')
    return scene
  }

  private constructor(program: string) {
    this.#program = program
    mkdirSync(this.local, { recursive: true })
    makeTinyOriginal(this.original)
  }

  stageArgs = (): string[] => [`--prefix=${this.original}`, `--path=${this.local}`]

  /** What a shell's function gives the program, in a session in which this prefix is active. */
  shellEnv = (prefix: string): Record<string, string> => ({
    CONDA_PREFIX: prefix,
    CONDA_SHLVL: '1',
    __CONDA_STAGE_SHELL: 'tcsh',
    __CONDA_STAGE_CODE: `${this.root}/code`,
    __CONDA_STAGE_PID: String(process.pid),
  })

  restore(state: State): void {
    const script = 'chmod -R u+rwX "$1"; rm -rf "$1"; cp -a "$2" "$1"'
    execFileSync('sh', ['-c', script, 'sh', this.root, `${this.#folder}/${state}`])
    this.#before = stateOf(this.original)
    this.#archiveBefore = this.#archiveIdentity()
  }

  #save(state: State): void {
    execFileSync('cp', ['-a', this.root, `${this.#folder}/${state}`])
  }

  async #prepare(args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(args, { seed: 'before' })
    assert.equal(status, 0, stderr)
    return stdout
  }

  /**
   * @param inside what goes in front of the program
   * @param seed of the names
   */
  run(
    args: readonly string[],
    { inside = [], seed = 'after', env = {} }: { inside?: string[]; seed?: string; env?: Record<string, string> },
  ): Promise<Ended> {
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--import', PREDICTABLE, this.#program]
    const [command = '', ...rest] = [...inside, ...node, ...args]
    const child = spawn(command, rest, {
      env: {
        HOME: `${this.root}/home/me`,
        PATH: '/usr/bin:/bin',
        LANG: 'C.UTF-8',
        NAMES_SEED: seed,
        UV_THREADPOOL_SIZE: '2',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: MOST_MS,
      killSignal: 'SIGKILL',
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    return new Promise((resolve, reject) =>
      child.on('error', reject).on('close', (code, signal) => resolve({ status: code ?? signal!, stdout, stderr })),
    )
  }

  /** What lies beside the environment and in the local folder, besides the archive and finished stages. */
  leftovers(): string[] {
    const known = ['myenvironment', 'myenvironment.tar.zst']
    const beside = readdirSync(dirname(this.original)).filter((name) => !known.includes(name))
    return [...beside, ...readdirSync(this.local).filter((name) => !this.#isStage(name))]
  }

  #isStage = (name: string): boolean =>
    name.startsWith('conda-stage_') && existsSync(`${this.local}/${name}/stage.json`)

  #archiveIdentity(): string {
    const facts = lstatSync(this.archive, { bigint: true, throwIfNoEntry: false })
    return facts ? [facts.ino, facts.size, facts.mtimeNs].join(' ') : ''
  }

  /** Whatever has happened: the original is as it was, and what counts as an archive or a copy is whole. */
  async assertSound(): Promise<void> {
    assert.deepEqual(stateOf(this.original), this.#before)
    const identity = this.#archiveIdentity()
    if (identity !== '' && identity !== this.#archiveBefore)
      await execute('sh', ['-c', 'tar --zstd -xOf "$1" > /dev/null', 'sh', this.archive])
    for (const name of readdirSync(this.local))
      if (this.#isStage(name)) assertWhole(this.original, `${this.local}/${name}/myenvironment`)
  }

  /** The next call, undisturbed, finds or makes a copy. The next one of each kind removes what is left over. */
  async assertNextWorks(): Promise<void> {
    const { status, stdout, stderr } = await this.run(this.stageArgs(), { seed: 'next' })
    assert.equal(status, 0, stderr)
    assertWhole(this.original, stdout.trimEnd())
    // A lock that could only be emptied belongs to nobody. That takes a packer 20 seconds to know.
    const beside = this.leftovers().filter((name) => /^\.tmp\.|\.lock$/.test(name))
    if (beside.length > 0) await this.run(['--pack', '--force', `--prefix=${this.original}`], { seed: 'pack' })
    assert.deepEqual(this.leftovers(), [])
  }

  [Symbol.dispose](): void {
    execFileSync('chmod', ['-R', 'u+rwX', this.#folder])
    rmSync(this.#folder, { recursive: true })
  }
}

/** One of each kind of thing, so that each call of the program is made at least once. */
function makeTinyOriginal(prefix: string): void {
  const write = (path: string, data: string | Buffer, mode = 0o644) => {
    mkdirSync(dirname(`${prefix}/${path}`), { recursive: true })
    writeFileSync(`${prefix}/${path}`, data, { mode })
  }
  write('conda-meta/history', '==> 2026-01-01 00:00:00 <==\n')
  write('conda-meta/some-1.0-0.json', JSON.stringify({ name: 'some', files: ['bin/tool'] }))
  write('bin/tool', `#!/bin/sh\necho '${prefix}'\n`, 0o755)
  // More than a frame.
  const large = Buffer.alloc(4_500_000, 'data')
  for (const at of [100, 4_300_000]) large.write(`${prefix}/lib\0`, at)
  write('lib/large', large)
  linkSync(`${prefix}/bin/tool`, `${prefix}/bin/tool-1`)
  symlinkSync('tool', `${prefix}/bin/relative`)
  symlinkSync(`${prefix}/lib/large`, `${prefix}/lib/absolute`)
}
