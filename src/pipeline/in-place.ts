import { StageError } from '../errors.ts'
import { whyNoNamespace } from '../mount/namespace.ts'
import type { StageOptions } from './options.ts'
import { type Filled, findOriginal } from './original.ts'

/**
 * Whether a copy can be shown at the original's own path. If not, a message says why.
 * @returns that path, with symbolic links resolved
 * @throws StageError NO_NAMESPACE, if it can't and must; what `findOriginal` throws
 */
export async function placeOfOriginal(options: Filled<StageOptions>, strict: boolean): Promise<string | undefined> {
  const { prefix, real, isBase } = await findOriginal(options)
  // The copy of a base environment has neither.
  const why = isBase ? 'the copy of a base environment would hide its envs and pkgs' : await whyNoNamespace(real)
  if (why === undefined) return real
  const message = `No copy can stand in the place of ${prefix}: ${why}`
  if (strict)
    throw new StageError('NO_NAMESPACE', message, {
      path: prefix,
      hint: "Without 'strict', a relocated copy is used. docs/exec.md says what a site can change.",
    })
  options.onProgress({ kind: 'info', message: `${message}. Using a relocated copy` })
  return undefined
}
