import type { ArchiveIndex, WatchedEntry } from '../model/archive-index.ts'
import { readKeptHead, readKeptIndex } from '../stage/kept-index.ts'
import { stagesIn } from '../stage/list.ts'
import { readNotedArchive } from '../stage/noted-archive.ts'
import type { Stage } from '../stage/record.ts'
import type { OtherCopy } from '../store/equal-files.ts'

/** Each takes 0.1 s to look into, and a third one hardly ever has what the first two lack. */
const MOST_COPIES = 2
/** Of the files that the quick check looks at, among them the records of all packages: fewer equal ones promise too little. */
const LEAST_SHARE = 0.1

/**
 * The read-only copies of a user in a local folder that have most files in common with what is to be extracted there. A copy that is
 * removed meanwhile, or was changed, does no harm: whoever takes a file looks at it.
 *
 * @param local with symbolic links resolved
 */
export async function otherCopies(
  local: string,
  index: Pick<ArchiveIndex, 'entries'>,
  { uid }: { uid: number },
): Promise<OtherCopy[]> {
  const stages = (await stagesIn(local, uid)).filter(
    ({ record: { readOnly, form = 'tree' } }) => readOnly && (form === 'tree' || form === 'plain'),
  )
  if (stages.length === 0) return []
  const entries = new Map(index.entries.map((entry) => [entry.path, entry]))
  const isEqual = ({ path, type, size, mtimeNs }: WatchedEntry): boolean => {
    const entry = entries.get(path)
    return type === 'file' && entry?.type === 'file' && entry.size === size && entry.mtimeNs === mtimeNs
  }
  const ranked: { stage: Stage; share: number }[] = []
  for (const stage of stages) {
    const head =
      (await readNotedArchive(stage.folder))?.head ?? (await readKeptHead(stage.folder).catch(() => undefined))
    const files = head?.watched.filter(({ type }) => type === 'file') ?? []
    const share = files.filter(isEqual).length / files.length
    if (share >= LEAST_SHARE) ranked.push({ stage, share })
  }
  const best = ranked.sort((a, b) => b.share - a.share).slice(0, MOST_COPIES)
  const found = await Promise.all(
    best.map(async ({ stage: { folder, record } }) => {
      const index = await readKeptIndex(folder).catch(() => undefined)
      return index && { prefix: record.prefix, isPlain: record.form === 'plain', index }
    }),
  )
  return found.filter((copy) => copy !== undefined)
}
