import type { Environment } from '../environment/find.ts'
import { findVenvBase, isOfSystem } from '../environment/venv-base.ts'
import { localFileSystem } from '../platform/local-disk.ts'
import { mountOf, parseMountInfo, readMountInfo } from '../platform/mounts.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'

/**
 * Says that a copy of a virtual environment, which was just made, still has its standard library from a network. That is told by the
 * copy: looking at the original would cost more.
 */
export async function tellIfBaseIsSlow(
  { prefix }: StageResult,
  { kind }: Environment,
  { base, onProgress }: Filled<StageOptions>,
): Promise<void> {
  if (kind !== 'venv' || base !== undefined) return
  const found = await findVenvBase(prefix)
  if (found === undefined || isOfSystem(found) || (await localFileSystem(found.real)) !== undefined) return
  const type = mountOf(found.real, parseMountInfo(readMountInfo()))?.fsType ?? 'a network'
  const message = `Its Python is on ${type} (${found.prefix}): --with-base stages that, too`
  onProgress({ kind: 'info', message })
}
