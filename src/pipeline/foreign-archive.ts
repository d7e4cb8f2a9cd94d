import type { Environment } from '../environment/find.ts'
import { stat } from '../platform/remote-fs.ts'

/** Conda writes these at every change. One that is newer than an archive means that the environment has changed since. */
const CHANGED_BY_CONDA = ['conda-meta/history', 'conda-meta/state', 'conda-meta']

/** Loads the libraries that read tar and zip. Only archives of conda-pack's need them, and every other start would pay. */
export const foreignReader = () => import('../conda-pack/foreign/conda-pack-archive.ts')

/** The first file or folder of conda's that is newer than the given time; undefined if there is none. */
export async function changedSince({ prefix }: Environment, mtimeNs: bigint): Promise<string | undefined> {
  for (const place of CHANGED_BY_CONDA) {
    const facts = await stat(`${prefix}/${place}`, { bigint: true }).catch(() => undefined)
    if (facts !== undefined && facts.mtimeNs > mtimeNs) return `${prefix}/${place}`
  }
  return undefined
}

export const isMissing = (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    () => true,
  )
