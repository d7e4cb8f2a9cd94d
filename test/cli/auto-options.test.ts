import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { copiedWorld, run, succeed, type World } from './world.ts'

const staging = ({ prefix }: World) => `${prefix}/etc/conda/activate.d/zzz.conda-stage-auto.sh`
const unstaging = ({ prefix }: World) => `${prefix}/etc/conda/deactivate.d/000.conda-stage-auto.sh`
const configure = (place: World, args: string[], env = {}) =>
  succeed(place, [...args, `--prefix=${place.prefix}`], { env })

test('CONDA_STAGE_PROLOGUE is the default of --prologue', async (context) => {
  const place = await copiedWorld(context)
  const env = { CONDA_STAGE_PROLOGUE: 'module load conda-stage' }
  await configure(place, ['--auto-stage=enable'], env)
  assert.match(readFileSync(staging(place), 'utf8'), /eval 'module load conda-stage'/)
  await configure(place, ['--auto-stage=enable', '--prologue=module load CBI'], env)
  assert.match(readFileSync(staging(place), 'utf8'), /eval 'module load CBI'/)
})

test('--auto-unstage alone changes only whether the copy is removed when it is left', async (context) => {
  const place = await copiedWorld(context)
  await configure(place, ['--auto-stage=enable', '--prologue=module load CBI', '--writable'])
  const before = readFileSync(staging(place), 'utf8')
  const { stderr } = await configure(place, ['--auto-unstage=disable'])
  assert.match(stderr, /INFO: Disabled auto unstaging\n$/)
  assert.equal(existsSync(unstaging(place)), false)
  assert.match(readFileSync(staging(place), 'utf8'), /'?--auto-unstage=disable'? '?--writable/)
  await configure(place, ['--auto-unstage=enable'])
  assert.equal(existsSync(unstaging(place)), true)
  assert.equal(readFileSync(staging(place), 'utf8'), before)
})

test('--auto-unstage=disable alone does not switch automatic staging on', async (context) => {
  const place = await copiedWorld(context)
  await configure(place, ['--auto-unstage=disable'])
  assert.deepEqual([existsSync(staging(place)), existsSync(unstaging(place))], [false, false])
})

test('--auto-unstage with another action is wrong usage', async (context) => {
  const place = await copiedWorld(context)
  const { status, stderr } = await run(place, ['--unstage', '--auto-unstage=enable'])
  assert.equal(status, 2)
  assert.match(stderr, /^ERROR: --auto-unstage works only alone or with --auto-stage/)
})
