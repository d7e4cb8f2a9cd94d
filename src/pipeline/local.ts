import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type LocalFolder, localFileSystem } from '../platform/local-disk.ts'
import { sweepDebris } from '../stage/sweep.ts'
import type { StageOptions } from './options.ts'
import type { Filled } from './original.ts'

/** Says why the copy goes to this folder, and removes what killed calls left there. */
export async function prepareLocal(
  { path, real, source, skipped }: LocalFolder,
  { onProgress, uid }: Filled<StageOptions>,
): Promise<void> {
  for (const other of skipped)
    onProgress({ kind: 'detail', message: `${other.path} (${other.source}) is skipped: it ${other.reason}` })
  onProgress({ kind: 'detail', message: `The local folder is ${path} (${source})` })
  for (const debris of await sweepDebris(real, { uid }))
    onProgress({ kind: 'debug', message: `Removed what a killed conda-stage left: ${debris}` })
}

/**
 * Messages about an environment that is on local disk already.
 * @throws StageError ALREADY_LOCAL with `skipLocal`. With `writable` a copy is made anyway: without one, the user's changes would
 * go to the original.
 */
export async function localOriginal(
  { prefix, real }: Environment,
  { skipLocal, writable }: StageOptions,
): Promise<string[]> {
  const type = await localFileSystem(real)
  if (type === undefined) return []
  const fact = `${prefix} is on local disk already (file system ${type})`
  if (!skipLocal || writable) return [`${fact}: a copy gains little`]
  throw new StageError('ALREADY_LOCAL', `${fact}: a copy would gain nothing`, {
    path: prefix,
    hint: 'Use it as it is, or stage it anyway with --no-skip-local.',
  })
}
