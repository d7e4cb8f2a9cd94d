import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { homeOf } from '../platform/home.ts'
import type { Variables } from '../platform/job.ts'
import { readSmall } from '../platform/read-small.ts'

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
  const environments = [env.VIRTUAL_ENV, ...['.venv', 'venv', 'env'].map((name) => join(cwd, name))]
  const files: [Dependent['kind'], string][] = [...new Set(environments)]
    .filter((folder) => folder !== undefined && folder !== '')
    .map((folder) => ['virtual environment', `${folder}/pyvenv.cfg`])
  const kernels = join(jupyterFolder(env), 'kernels')
  const names = await readdir(kernels).catch(() => [])
  files.push(
    ...names
      .slice(0, MOST_KERNELS)
      .map((name) => ['Jupyter kernel', `${kernels}/${name}/kernel.json`] as [Dependent['kind'], string]),
  )
  const found = await Promise.all(
    files.map(async ([kind, file]): Promise<Dependent[]> => {
      const text = await readSmall(file, MOST_BYTES).then(String, () => '')
      return text.includes(`${prefix}/`) ? [{ kind, path: dirname(file) }] : []
    }),
  )
  return found.flat()
}

export function jupyterFolder(env: Variables): string {
  const data = env.XDG_DATA_HOME?.startsWith('/') ? env.XDG_DATA_HOME : join(homeOf(env), '.local/share')
  return env.JUPYTER_DATA_DIR || join(data, 'jupyter')
}
