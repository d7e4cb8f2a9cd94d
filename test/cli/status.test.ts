import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { copiedWorld, type RunOptions, stageOf, succeed, type World } from './world.ts'

const status = async (place: World, args: string[] = [], options: RunOptions = {}) =>
  (await succeed(place, ['--status', ...args], options)).stdout
const json = async (place: World, args: string[] = [], options: RunOptions = {}) =>
  JSON.parse(await status(place, [...args, '--json'], options))

test('--status lists all copies on this node with original, size and age, wherever they were staged to', async (context) => {
  const place = await copiedWorld(context)
  const first = await stageOf(place)
  const other = `${place.root}/elsewhere`
  mkdirSync(other)
  const second = await stageOf({ ...place, local: other }, ['--writable'])
  const text = await status(place)
  const copy = (prefix: string, more: string) =>
    new RegExp(`^ {2}${prefix}\n {4}of ${place.prefix}, \\d+\\.\\d MB, \\d+ seconds? old${more}\n`, 'm')
  assert.match(text, copy(first, ''))
  assert.match(text, copy(second, ', writable'))
  const mine = (await json(place)).stages.filter(({ prefix }: { prefix: string }) => [first, second].includes(prefix))
  assert.deepEqual(
    mine.map(({ prefix, original, readOnly }: Record<string, unknown>) => [prefix, original, readOnly]),
    [
      [first, place.prefix, true],
      [second, place.prefix, false],
    ],
  )
  assert.match(await status(place, [], { env: { CONDA_PREFIX: second } }), new RegExp(`${second} \\(active\\)\n`))
  await succeed(place, ['--unstage', `--prefix=${first}`])
  assert.ok(!(await status(place)).includes(first))
})

test('--status finds copies in a folder that only --path or CONDA_STAGE_PATH names', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place, ['--no-skip-local'], { env: { SLURM_JOB_ID: '7' } })
  assert.ok(!(await status(place)).includes(staged), "a job's folder is not remembered")
  assert.ok((await status(place, [`--path=${place.local}`])).includes(staged))
  assert.ok((await status(place, [], { env: { CONDA_STAGE_PATH: place.local } })).includes(staged))
})

test('--status says whether automatic staging is on, and whether the copy is then removed when it is left', async (context) => {
  const place = await copiedWorld(context)
  const named = [`--prefix=${place.prefix}`]
  const row = async () => /^automatic staging: +(.*)$/m.exec(await status(place, named))?.[1]
  assert.equal(await row(), 'off')
  await succeed(place, ['--auto-stage=enable', ...named])
  assert.equal(await row(), 'on (the copy is removed when it is left)')
  await succeed(place, ['--auto-stage=enable', '--keep=60', ...named])
  assert.equal(await row(), 'on (the copy is removed 60 minutes after it was left)')
  await succeed(place, ['--auto-stage=enable', '--keep=unlimited', ...named])
  assert.equal(await row(), 'on (the copy is kept when it is left)')
  await succeed(place, ['--auto-stage=enable', ...named])
  await succeed(place, ['--auto-unstage=disable', ...named])
  assert.equal(await row(), 'on (the copy is kept when it is left)')
})

test('--status names archives whose environment is gone, beside environments and in the cache, and no others', async (context) => {
  const place = await copiedWorld(context)
  const envs = `${place.root}/home/me/miniconda3/envs`
  const second = `${envs}/second`
  execFileSync('cp', ['-a', place.prefix, second])
  await succeed(place, ['--pack', `--prefix=${second}`])
  const cache = `${place.root}/cache/conda-stage`
  mkdirSync(cache, { recursive: true })
  await succeed(place, ['--pack', `--prefix=${second}`, `--output=${cache}/second-0123456789ab.tar.zst`])
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  writeFileSync(`${envs}/notes.tar.gz`, 'mine')
  const outlived = async () =>
    (await json(place, [`--prefix=${place.prefix}`])).outlived.map(({ path }: { path: string }) => path).sort()
  assert.deepEqual(await outlived(), [])
  execFileSync('rm', ['-r', second])
  const expected = [`${cache}/second-0123456789ab.tar.zst`, `${second}.tar.zst`]
  assert.deepEqual(await outlived(), expected)
  const text = await status(place, [`--prefix=${place.prefix}`])
  for (const path of expected)
    assert.match(text, new RegExp(`^ {2}${path} \\(.* MB\\)\n {4}of ${second}, which is gone\n`, 'm'))
  assert.ok(existsSync(expected[0]!))
})

test("--status finds archives without an environment in the folders that conda's configuration names", async (context) => {
  const place = await copiedWorld(context)
  const elsewhere = `${place.root}/elsewhere`
  mkdirSync(elsewhere)
  execFileSync('cp', ['-a', place.prefix, `${elsewhere}/other`])
  await succeed(place, ['--pack', `--prefix=${elsewhere}/other`])
  execFileSync('rm', ['-r', `${elsewhere}/other`])
  const condarc = `${place.root}/condarc`
  writeFileSync(condarc, `envs_dirs:\n  - ${elsewhere}\n`)
  const { stdout } = await succeed(place, ['--status', '--json', `--prefix=${place.prefix}`], {
    env: { CONDARC: condarc },
  })
  const paths = JSON.parse(stdout).outlived.map(({ path }: { path: string }) => path)
  assert.deepEqual(paths, [`${elsewhere}/other.tar.zst`])
})

test('--status --verbose says why the name of a copy is long', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place)
  assert.match(await status(place, [`--prefix=${staged}`, '--verbose']), /^name of the copy: +long, because/m)
  assert.doesNotMatch(await status(place, [`--prefix=${staged}`]), /name of the copy/)
})
