import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { LAUNCHER, type World, world } from '../cli/world.ts'
import { configure } from '../config/place.ts'

const STAND_IN = join(import.meta.dirname, '../shells/conda-stand-in')

/** A user of the cluster: the environment is on a network file system, conda and conda-stage are loaded at login. */
export async function asUser(context: TestContext, body: (user: World) => Promise<void>): Promise<void> {
  const place = await world(context)
  loadAtLogin(place)
  const envs = dirname(place.prefix)
  if (slowfsUnavailable() !== undefined) {
    configure(place, 'skip-local: false\n')
    return await body(place)
  }
  const mount = await mountSlow(envs, envs, { latencyMs: 0 })
  // Here, not after the test: its folder would already be gone.
  await body(place).finally(() => mount.unmount())
}

/** The user's bash loads conda and conda-stage at login. Jobs write to `ROOT/out`. */
export function loadAtLogin({ root, prefix, env: { HOME } }: World, launcher = LAUNCHER): void {
  mkdirSync(`${root}/out`)
  writeFileSync(
    `${HOME}/.bash_profile`,
    `export CONDA_ROOT_STAND_IN='${dirname(dirname(prefix))}' CONDA_LOG_STAND_IN='${root}/conda.log'
     export CONDA_EXE_STAND_IN='${STAND_IN}.ts' NODE_STAND_IN='${process.execPath}'
     . '${STAND_IN}.sh'
     eval "$('${launcher}' --source=bash)"\n`,
  )
}
