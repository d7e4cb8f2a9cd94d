/** conda-pack from PyPI, installed into the tests' cache as conda-stage would install it for a user. */
import { dirname, join } from 'node:path'
import { findCondaPack, installCondaPack } from '../../src/conda-pack/packer.ts'
import { readyCache } from '../fixtures/cache.ts'
import { output } from './support.ts'

/** The XDG_DATA_HOME with which conda-stage finds it. */
export async function condaPackData(): Promise<string> {
  const { root } = await readyCache('small')
  const data = join(root, 'conda-pack')
  const options = { env: { ...process.env, XDG_DATA_HOME: data, PATH: '/usr/bin:/bin' }, prefix: root }
  if ((await findCondaPack(options)) === undefined) await installCondaPack(options)
  return data
}

/** Runs it without its progress bar. */
export async function condaPack(prefix: string, file: string, ...args: string[]): Promise<void> {
  const program = join(await condaPackData(), 'conda-stage/conda-pack/bin/conda-pack')
  await output(program, ['--quiet', `--prefix=${prefix}`, `--output=${file}`, ...args], { cwd: dirname(file) })
}
