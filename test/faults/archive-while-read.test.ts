/**
 * What happens to an archive while a copy is extracted from it. CONDA_STAGE_TEST_ARCHIVES sets how many times,
 * CONDA_STAGE_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCommand, temporaryFolder } from '../cli/world.ts'
import { stateOf } from '../end-to-end/tree.ts'
import { installed } from '../fixtures/installed.ts'
import { assertWhole, makeOriginal } from './kills/original.ts'
import { Random } from './kills/random.ts'

const TRIALS = Number(process.env.CONDA_STAGE_TEST_ARCHIVES) || 6
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31

/** Each is done to the archive. `kept` is a copy of it as it was. */
const DEEDS: Record<string, (archive: string, kept: string, random: Random) => void> = {
  cut: (archive, _, random) => truncateSync(archive, random.below(statSync(archive).size)),
  empty: (archive) => truncateSync(archive, 0),
  overwrite: (archive, _, random) => {
    const fd = openSync(archive, 'r+')
    const bytes = randomFillSync(Buffer.alloc(2_000_000))
    writeSync(fd, bytes, 0, bytes.length, random.below(statSync(archive).size - bytes.length))
    closeSync(fd)
  },
  remove: (archive) => rmSync(archive),
  replace: (archive, kept) => {
    copyFileSync(kept, `${archive}.new`)
    renameSync(`${archive}.new`, archive)
  },
  'replace by something else': (archive) => {
    writeFileSync(`${archive}.new`, 'no archive\n')
    renameSync(`${archive}.new`, archive)
  },
}

const FOREIGN = new Set(['empty', 'replace by something else'])

test(`whatever happens to an archive while a copy is extracted from it, the copy is the environment (seed ${SEED})`, async (context) => {
  const launcher = await installed()
  const random = new Random(SEED)
  const root = temporaryFolder(context)
  const [prefix, local] = [`${root}/home/me/miniconda3/envs/my`, `${root}/local`]
  makeOriginal(prefix)
  writeFileSync(`${prefix}/lib/more`, randomFillSync(Buffer.alloc(60_000_000)))
  mkdirSync(local)
  const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  const call = (...args: string[]) => startCommand({ env }, [launcher, `--prefix=${prefix}`, ...args], {})
  const [archive, kept] = [`${prefix}.tar.zst`, `${root}/kept`]
  assert.equal((await call('--pack').ended).status, 0)
  copyFileSync(archive, kept)
  const before = stateOf(prefix)
  const begun = performance.now()
  const first = await call(`--path=${local}`, '--private').ended
  const ms = performance.now() - begun
  assert.equal(first.status, 0, first.stderr)
  const outcomes = new Map<string, number>()
  for (let n = 0; n < TRIALS; n++) {
    copyFileSync(kept, archive)
    const deed = Object.keys(DEEDS)[n % Object.keys(DEEDS).length]!
    const { ended } = call(`--path=${local}`, '--private')
    await sleep(ms * (0.2 + 0.8 * random.fraction()))
    DEEDS[deed]!(archive, kept, random)
    const { status, stdout, stderr } = await ended
    // What is no archive of ours is left alone, and an empty file could be anybody's.
    if (FOREIGN.has(deed) && status === 1) {
      assert.match(stderr, /ERROR: \S+\/my\.tar\.zst was not written by conda-stage\n/)
      assert.equal(readdirSync(local).length, 1)
      outcomes.set(`${deed}: an error`, (outcomes.get(`${deed}: an error`) ?? 0) + 1)
      continue
    }
    assert.equal(status, 0, `${deed}: ${stderr}`)
    assert.doesNotMatch(stderr, /bug|\n {4}at /)
    assertWhole(prefix, stdout.trimEnd())
    const outcome = `${deed}: ${/WARNING: .* is (damaged)/.exec(stderr)?.[1] ?? 'unnoticed'}`
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    // A file that is not ours stays. Whatever else lies there is found to be damaged, or is whole.
    if (deed === 'replace by something else') rmSync(archive)
    const next = await call(`--path=${local}`, '--private').ended
    assert.equal(next.status, 0, next.stderr)
    assertWhole(prefix, next.stdout.trimEnd())
    for (const each of [stdout.trimEnd(), next.stdout.trimEnd()])
      assert.equal((await startCommand({ env }, [launcher, '--unstage', `--prefix=${each}`], {}).ended).status, 0)
    assert.equal(readdirSync(local).length, 1)
  }
  assert.deepEqual(stateOf(prefix), before)
  context.diagnostic([...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', '))
})
