import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type LocalFolder, localFileSystem } from '../platform/local-disk.ts'
import type { StageOptions } from './options.ts'

/** Why the copy is made where it is made. */
export const localMessages = ({ path, source, skipped }: LocalFolder): string[] => [
  ...skipped.map((other) => `${other.path} (${other.source}) is passed over: it ${other.reason}`),
  `The local folder is ${path} (${source})`,
]

/**
 * What there is to say where the environment lies on local disk already.
 * @throws StageError ALREADY_LOCAL with `skipLocal`. Who wants a copy to write to gets one: in its place the original would be
 * written to.
 */
export async function localOriginal(
  { prefix, real }: Environment,
  { skipLocal, writable }: StageOptions,
): Promise<string[]> {
  const type = await localFileSystem(real)
  if (type === undefined) return []
  const fact = `${prefix} lies on local disk already (file system ${type})`
  if (!skipLocal || writable) return [`${fact}: a copy gains little`]
  throw new StageError('ALREADY_LOCAL', `${fact}: a copy would gain nothing`, {
    path: prefix,
    hint: 'Use it as it is, or stage it all the same with --no-skip-local.',
  })
}
