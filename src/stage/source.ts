import { retiredArchiveOf } from '../model/file-names.ts'
import { exists } from '../platform/remote-fs.ts'
import type { StageRecord } from './record.ts'

/**
 * Whether the copy could be made again, or would be the last one: the original is there, or the archive of a retired one, or, for
 * a copy of an archive alone, that archive.
 */
export async function isSourceThere({
  kind,
  original,
  alone,
  archive,
}: Pick<StageRecord, 'kind' | 'original' | 'alone' | 'archive'>): Promise<boolean> {
  const mark = { conda: 'conda-meta', pixi: 'conda-meta', venv: 'pyvenv.cfg', python: 'bin' }[kind ?? 'conda']
  if ((await exists(`${original}/${mark}`)) || (await exists(retiredArchiveOf(original)))) return true
  return alone !== undefined && archive.path !== undefined && (await exists(archive.path))
}
