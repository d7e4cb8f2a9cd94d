import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { copiedWorld, startCommand, succeed } from '../cli/world.ts'
import { removeNote } from './world.ts'

/** Nothing waits, and names are remembered, so that each is counted once. */
const PATIENT = { latencyMs: 0, bandwidthMb: 0, validSeconds: 3600 }

test('a start from a copy that is there asks the file server 17 times, all in all, on a node that knows none of the names', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const world = await copiedWorld(context)
  const site = 'lib/python3.11/site-packages'
  mkdirSync(join(world.prefix, site), { recursive: true })
  writeFileSync(join(world.prefix, 'bin/tell'), '#!/bin/sh\necho "$0"\n', { mode: 0o755 })
  const wrappers = join(world.env.HOME!, 'wrappers')
  await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--programs=tell'])
  context.after(() => removeNote(world.prefix))
  const env = { CONDA_STAGE_PATH: world.local, CONDA_STAGE_SKIP_LOCAL: 'false', XDG_CACHE_HOME: undefined }
  const start = () => startCommand(world, [join(wrappers, 'bin/tell')], { env }).ended
  const { stdout } = await start()
  assert.ok(stdout.startsWith(world.local))
  // Home, wrappers and the original.
  await using mount = await slowly(join(world.root, 'home'))
  const counted = async () => {
    await mount.reset()
    assert.equal((await start()).stdout, stdout)
    const { lookup, getattr, open, opendir, fstat, close } = await mount.counters()
    return { lookup, getattr, open, opendir, fstat, close }
  }
  // me, wrappers, bin, tell; miniconda3, envs, myjupyter, conda-meta, lib, python3.11, site-packages. The kernel opens the wrapper,
  // and then bash.
  assert.deepEqual(await counted(), { lookup: 11, getattr: 1, open: 2, opendir: 0, fstat: 1, close: 2 })
  // A node that remembers them asks for the wrapper alone.
  assert.deepEqual(await counted(), { lookup: 0, getattr: 0, open: 2, opendir: 0, fstat: 1, close: 2 })
})

/** Unmounts at the end of the test's own body: the world is removed before anything else that is left for later. */
async function slowly(folder: string) {
  const mount = await mountSlow(folder, folder, PATIENT)
  return { ...mount, [Symbol.asyncDispose]: () => mount.unmount() }
}
