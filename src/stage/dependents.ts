import { join } from 'node:path'
import { homeOf } from '../platform/home.ts'
import type { Variables } from '../platform/job.ts'
import { readSmall } from '../platform/read-small.ts'
import { readdir } from '../platform/remote-fs.ts'

/** Something outside of a stage that stops working when the stage is removed. */
interface Dependent {
  kind: 'virtual environment' | 'Jupyter kernel'
  /** Its folder. */
  path: string
}

/** Kernels that are read at most: the home folder may be slow. */
const MOST_KERNELS = 50
/** Both kinds of files have some ten lines. */
const MOST_BYTES = 64 * 1024

/**
 * What uses a staged prefix from outside, as far as it is cheap to find: the session's virtual environment, those of the usual
 * names in the current folder, and the user's Jupyter kernels.
 */
export async function dependentsOf(
  prefix: string,
  { env, cwd }: { env: Variables; cwd: string },
): Promise<Dependent[]> {
  const kernels = join(jupyterFolder(env), 'kernels')
  const names = (await readdir(kernels).catch(() => [])).slice(0, MOST_KERNELS)
  const found = await Promise.all(
    names.map(async (name): Promise<Dependent[]> => {
      const path = `${kernels}/${name}`
      return (await isNamedIn(prefix, `${path}/kernel.json`)) ? [{ kind: 'Jupyter kernel', path }] : []
    }),
  )
  const venvs = await venvsOf(prefix, { env, cwd })
  return [...venvs.map((path) => ({ kind: 'virtual environment' as const, path })), ...found.flat()]
}

/** Virtual environments of this prefix's Python: the session's, and those of the usual names in the current folder. */
export async function venvsOf(prefix: string, { env, cwd }: { env: Variables; cwd: string }): Promise<string[]> {
  const usual = ['.venv', 'venv', 'env'].map((name) => join(cwd, name))
  const folders = [...new Set([env.VIRTUAL_ENV, ...usual])].filter((folder) => folder !== undefined)
  const found = await Promise.all(
    folders.map(async (folder) => ((await isNamedIn(prefix, `${folder}/pyvenv.cfg`)) ? [folder] : [])),
  )
  return found.flat()
}

const isNamedIn = async (prefix: string, file: string): Promise<boolean> =>
  (await readSmall(file, MOST_BYTES).then(String, () => '')).includes(`${prefix}/`)

export function jupyterFolder(env: Variables): string {
  const data = env.XDG_DATA_HOME?.startsWith('/') ? env.XDG_DATA_HOME : join(homeOf(env), '.local/share')
  return env.JUPYTER_DATA_DIR || join(data, 'jupyter')
}
