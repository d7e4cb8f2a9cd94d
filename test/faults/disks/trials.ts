/**
 * Tests run this in a mount namespace of its own: it lets disks run full at random moments, and prints a line of JSON for each
 * trial. Arguments: the program, how many trials, the seed.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stateOf } from '../../end-to-end/tree.ts'
import { assertWhole, changeOriginal, makeOriginal } from '../kills/original.ts'
import { Random } from '../kills/random.ts'
import { Disk, hasQuotas, type Kind } from './disk.ts'

const [program = '', count = '1', seed = '1'] = process.argv.slice(2)
const execute = promisify(execFile)
const random = new Random(Number(seed))
const FAST = '/dev/shm'
const base = mkdtempSync(`${existsSync(FAST) ? FAST : tmpdir()}/disks-`)
const MB = 2 ** 20

const KINDS: Kind[] = hasQuotas() ? ['space', 'inodes', 'quota'] : ['space', 'inodes']
const ACTIONS = ['pack', 'repack', 'first stage', 'stage after a change', 'stage', 'stage'] as const
const FULL = ['local', 'archive', 'both'] as const

interface Trial {
  action: (typeof ACTIONS)[number]
  full: (typeof FULL)[number]
  kind: Kind
  /** How much is left: bytes, or inodes. */
  left: number
  /** When the disk runs full, in parts of the time that the action takes. 0: before. */
  moment: number
}

/** Milliseconds that each action takes. */
const took = new Map<string, number>()

function randomTrial(): Trial {
  const kind = random.oneOf(KINDS)
  const most = kind === 'inodes' ? 400 : 14 * MB
  return {
    action: random.oneOf(ACTIONS),
    full: random.oneOf(FULL),
    kind,
    left: random.oneOf([0, random.below(most), random.below(most)]),
    moment: random.oneOf([0, random.fraction(), random.fraction()]),
  }
}

class Place implements Disposable {
  readonly home: Disk
  readonly local: Disk
  readonly original: string
  readonly archive: string
  readonly #env: Record<string, string>
  #before = new Map<string, string>()

  constructor(kind: Kind) {
    this.home = new Disk(`${base}/home`, kind)
    this.local = new Disk(`${base}/scratch`, kind)
    this.original = `${this.home.path}/me/software/miniconda3/envs/my`
    this.archive = `${this.original}.tar.zst`
    this.#env = { HOME: `${this.home.path}/me`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
    mkdirSync(dirname(this.original), { recursive: true })
    makeOriginal(this.original)
  }

  async prepare(action: Trial['action']): Promise<void> {
    if (action !== 'pack' && action !== 'first stage') await this.run(this.args('pack'))
    if (action === 'repack' || action === 'stage after a change') changeOriginal(this.original)
    this.#before = stateOf(this.original)
  }

  args = (action: Trial['action']): string[] =>
    action.endsWith('pack')
      ? ['--pack', `--prefix=${this.original}`]
      : [`--prefix=${this.original}`, `--path=${this.local.path}`]

  run(args: string[]): Promise<{ status: number | string; stdout: string; stderr: string }> {
    const child = spawn(program, args, { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    return new Promise((resolve) =>
      child.on('close', (code, signal) => resolve({ status: code ?? signal!, stdout, stderr })),
    )
  }

  stages = (): string[] =>
    readdirSync(this.local.path).filter((name) => existsSync(`${this.local.path}/${name}/stage.json`))

  leftovers(): string[] {
    const beside = readdirSync(dirname(this.original)).filter((name) => name !== 'my' && name !== 'my.tar.zst')
    const stages = this.stages()
    return [...beside, ...readdirSync(this.local.path).filter((name) => !stages.includes(name))]
  }

  async assertSound(): Promise<void> {
    assert.deepEqual(stateOf(this.original), this.#before)
    if (existsSync(this.archive)) await execute('sh', ['-c', 'tar --zstd -xOf "$1" >/dev/null', 'sh', this.archive])
    for (const name of this.stages()) assertWhole(this.original, `${this.local.path}/${name}/my`)
  }

  [Symbol.dispose](): void {
    this.home[Symbol.dispose]()
    this.local[Symbol.dispose]()
  }
}

async function trial({ action, full, kind, left, moment }: Trial): Promise<string> {
  using place = new Place(kind)
  await place.prepare(action)
  const disks = [...(full === 'archive' ? [] : [place.local]), ...(full === 'local' ? [] : [place.home])]
  const fill = () => {
    for (const disk of disks) disk.fill(left)
  }
  if (moment === 0) fill()
  const begun = performance.now()
  const running = place.run(place.args(action))
  if (moment > 0) {
    await sleep((took.get(action) ?? 500) * moment)
    fill()
  }
  const ended = await running
  if (moment > 0) took.set(action, performance.now() - begun)
  for (const disk of disks) disk.free()
  const outcome = judge(place, { action, full }, ended)
  await place.assertSound()
  assert.deepEqual(place.leftovers(), [], ended.stderr)
  const next = await place.run(place.args('stage'))
  assert.equal(next.status, 0, next.stderr)
  assert.doesNotMatch(next.stderr, /WARNING/)
  assertWhole(place.original, next.stdout.trimEnd())
  assert.deepEqual(place.leftovers(), [])
  return outcome
}

const SAYS = /ran full|too little room|inodes|quota|the file system is full/

function judge(
  place: Place,
  { action, full }: Pick<Trial, 'action' | 'full'>,
  { status, stdout, stderr }: { status: number | string; stdout: string; stderr: string },
): string {
  assert.doesNotMatch(stderr, /This is a bug|nknown error|\n {4}at /, stderr)
  if (status === 0) {
    if (!action.endsWith('pack')) assert.deepEqual(place.stages(), [dirname(stdout).split('/').at(-1)])
    if (!stderr.includes('WARNING: ')) return 'done'
    assert.match(stderr, new RegExp(`WARNING: The archive .* can't be written: .*(?:${SAYS.source})`))
    return 'a copy without an archive'
  }
  assert.equal(status, 1, stderr)
  assert.ok(full !== 'archive' || action.endsWith('pack'), `the archive's disk cost the copy: ${stderr}`)
  const errors = stderr.split('\n').filter((line) => line.startsWith('ERROR: '))
  assert.equal(errors.length, 1, stderr)
  assert.match(errors[0]!, SAYS)
  assert.ok(errors[0]!.includes(place.local.path) || errors[0]!.includes(place.archive), stderr)
  assert.deepEqual([stdout, place.stages()], ['', []])
  return 'an error'
}

try {
  for (let n = 0; n < Number(count); n++) {
    const chosen = randomTrial()
    const outcome = await trial(chosen).catch((error: Error) => ({ ...chosen, failure: String(error.stack) }))
    process.stdout.write(`${JSON.stringify(outcome)}\n`)
  }
} finally {
  execFileSync('chmod', ['-R', 'u+rwX', base])
  rmSync(base, { recursive: true })
}
