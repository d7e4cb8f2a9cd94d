/** conda-pack from PyPI, in the tests' cache; installed there as conda-stage does it for a user. */
import { dirname, join } from 'node:path'
import { findCondaPack } from '../../src/conda-pack/packer.ts'
import { readyCache } from '../fixtures/cache.ts'
import { output } from './support.ts'

/** What XDG_DATA_HOME has to be for conda-stage to find it. */
export async function condaPackData(): Promise<string> {
  const { root } = await readyCache('small')
  const data = join(root, 'conda-pack')
  const env = { ...process.env, XDG_DATA_HOME: data, PATH: '/usr/bin:/bin' }
  await findCondaPack({ env, prefix: root, onOutput() {}, onInstall() {} })
  return data
}

/** Runs it. Without its progress bar. */
export async function condaPack(prefix: string, file: string, ...args: string[]): Promise<void> {
  const program = join(await condaPackData(), 'conda-stage/conda-pack/bin/conda-pack')
  await output(program, ['--quiet', `--prefix=${prefix}`, `--output=${file}`, ...args], { cwd: dirname(file) })
}
