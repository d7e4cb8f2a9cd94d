import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { localFileSystem } from '../../src/platform/local-disk.ts'
import { parseMountInfo } from '../../src/platform/mounts.ts'
import { LAUNCHER, type RunOptions, run, startCommand, succeed, type World, world } from '../cli/world.ts'
import { configure } from '../config/place.ts'

const JOB: RunOptions = { env: { SLURM_JOB_ID: '7' } }
const SAYS =
  /^INFO: (\S+) is on local disk already \(file system \w+\): a copy would gain nothing\. Using it as it is \(--no-skip-local stages it anyway\)\n$/

const stages = async (place: World, args: string[] = [], options: RunOptions = {}): Promise<boolean> => {
  const all = [`--prefix=${place.prefix}`, `--path=${place.local}`, ...args]
  const { stdout } = await succeed(place, all, options)
  if (stdout !== `${place.prefix}\n`) return true
  assert.deepEqual([existsSync(place.archive), readdirSync(place.local)], [false, []])
  return false
}

test('a job whose environment is already on local disk learns that, and continues with it', async (context) => {
  const place = await world(context)
  const asked = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  const { status, stdout, stderr } = await run(place, asked, JOB)
  assert.deepEqual([status, stdout], [0, `${place.prefix}\n`])
  assert.equal(SAYS.exec(stderr)?.[1], place.prefix, stderr)
  assert.deepEqual([existsSync(place.archive), readdirSync(place.local)], [false, []])
  const json = await succeed(place, [...asked, '--json'], JOB)
  assert.deepEqual(JSON.parse(json.stdout), { skipped: true, original: place.prefix, prefix: place.prefix })
})

test('a job script under set -euo pipefail continues with the original if that is already on local disk', async (context) => {
  const place = await world(context)
  const script = `set -euo pipefail
    eval "$('${LAUNCHER}' --source=bash)"
    export CONDA_PREFIX='${place.prefix}' PATH='${place.prefix}/bin':$PATH
    before=$PATH
    conda-stage
    [[ $PATH == "$before" && $CONDA_PREFIX == '${place.prefix}' ]]
    greet --prefix
    exit 3`
  const { status, stdout, stderr } = await startCommand(place, ['bash', '-c', script], JOB).ended
  assert.deepEqual([status, stdout], [3, `${place.prefix}\n`], stderr)
  assert.match(stderr, SAYS)
})

test('outside jobs an environment on local disk is staged, and a message and --status say that a copy gains little', async (context) => {
  const place = await world(context)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  const says = /^INFO: \S+ is on local disk already \(file system \w+\): a copy gains little$/m
  assert.match((await succeed(place, args)).stderr, says)
  const chosen = await succeed(place, [...args, '--no-skip-local'])
  assert.doesNotMatch(chosen.stderr, /gains little/, 'whoever asks for the copy knows it')
  const { stdout } = await succeed(place, ['--status', `--prefix=${place.prefix}`])
  assert.match(stdout, /^original: +on local disk: a copy gains little$/m)
})

test('--skip-local, --no-skip-local, the variable and the file decide whether local environments are staged, in jobs and outside', async (context) => {
  const place = await world(context)
  assert.equal(await stages(place, ['--skip-local']), false)
  assert.equal(await stages(place, [], { env: { CONDA_STAGE_SKIP_LOCAL: 'true' } }), false)
  configure(place, 'skip-local: true\n')
  assert.equal(await stages(place), false)
  assert.equal(await stages(place, ['--no-skip-local']), true)
  configure(place, 'skip-local: false\n')
  assert.equal(await stages(place, [], JOB), true)
})

test('a job that asks for a writable copy gets one even on local disk: the original must not be written instead', async (context) => {
  const place = await world(context)
  assert.equal(await stages(place, ['--writable'], JOB), true)
})

test('a broken environment on local disk is an error in a job, too', async (context) => {
  const place = await world(context)
  const { status, stderr } = await run(place, ['--prefix=/nowhere'], JOB)
  assert.equal(status, 1)
  assert.match(stderr, /^ERROR: \/nowhere does not exist/)
})

test('an environment on a network file system is staged in a job', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await world(context)
  const envs = dirname(place.prefix)
  const mount = await mountSlow(envs, envs, { latencyMs: 0 })
  try {
    assert.equal(await stages(place, [], JOB), true)
  } finally {
    await mount.unmount()
  }
})

test('a file system counts as local unless the kernel mounted it from a network', async () => {
  const mounts = parseMountInfo(
    `1 0 8:1 / / rw - ext4 /dev/sda1 rw
    2 1 0:9 / /home rw - nfs4 s:/x rw
    3 2 8:2 / /home/local rw - xfs /dev/sdb1 rw`.replace(/^ +/gm, ''),
  )
  assert.equal(await localFileSystem('/opt/env', mounts), 'ext4')
  assert.equal(await localFileSystem('/home/me/env', mounts), undefined)
  assert.equal(await localFileSystem('/home/local/env', mounts), 'xfs')
  assert.equal(typeof (await localFileSystem('/', [])), 'string')
})
