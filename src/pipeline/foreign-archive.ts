import { stat } from 'node:fs/promises'
import type { Environment } from '../environment/find.ts'

/** Places whose mtime tells that an environment was changed after it was packed, if any of them is younger. */
const TELLING = ['conda-meta/history', 'conda-meta/state', 'conda-meta']

/** Only such an archive needs the libraries that read tar and zip: loading them would cost every other start. */
export const foreignReader = () => import('../conda-pack/foreign/read.ts')

/** The first telling place that is younger. */
export async function changedSince({ prefix }: Environment, mtimeNs: bigint): Promise<string | undefined> {
  for (const place of TELLING) {
    const facts = await stat(`${prefix}/${place}`, { bigint: true }).catch(() => undefined)
    if (facts !== undefined && facts.mtimeNs > mtimeNs) return `${prefix}/${place}`
  }
  return undefined
}

export const isNothing = (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    () => true,
  )
