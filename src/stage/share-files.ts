import type { ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import { utimesSeconds } from '../model/times.ts'
import { EqualFiles, type OtherCopy } from '../store/equal-files.ts'
import { exchangeForTwin } from '../workers/take-file.ts'
import type { Shared } from './finish-tree.ts'
import { HISTORY } from './own-files.ts'

interface Tree {
  /** Where it is being made. Its files are there, and its folders can be written to. */
  root: string
  index: ArchiveIndex
  /** What replaces the original prefixes; undefined: they stay. */
  to: string | undefined
  modeOf(mode: number): number
}

/**
 * Puts files of other copies on the node in the place of those that are the same. A first stage reads and writes all of them, because
 * the archive needs them; this gives the room back.
 */
export function shareFiles(
  { root, index, to, modeOf }: Tree,
  copies: readonly OtherCopy[],
): Shared & { paths: Set<BytePath> } {
  const equal = new EqualFiles(copies, { index, to })
  const paths = new Set<BytePath>()
  let bytes = 0
  for (const file of index.entries) {
    if (file.type !== 'file' || file.path === HISTORY || (file.relocation && to !== undefined)) continue
    const found = equal.of(file)
    if (!found?.isTwin) continue
    const { path, size } = file
    const mtime = utimesSeconds(file.mtimeNs)
    const taken = { from: copies[found.copy]!.prefix, path: found.path, mtime, isTwin: true }
    if (!exchangeForTwin(taken, { root, path, size, mode: modeOf(file.mode), mtime }, `${root}.new`)) continue
    paths.add(path)
    bytes += size
  }
  return { files: paths.size, bytes, paths }
}
