import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { type Allowance, readSmall } from '../platform/read-small.ts'
import { pathsOnDisk } from './on-disk.ts'
import { interner, type Recorded, type RecordedPath, recordedPaths } from './recorded-paths.ts'

export interface CondaRecords {
  /** The facts about each path that the records list. */
  paths: Map<BytePath, Recorded>
  /** Messages about records that could not be used, at least in part. Their files are packed as files of no package. */
  warnings: string[]
}

/** A record takes some 450 bytes for each of its files, and the largest packages have 30,000 of them. */
const MOST_BYTES = 64 * 1024 * 1024
/** The records of 1,000 packages take a fifth of this. */
const MOST_TOGETHER = 512 * 1024 * 1024

/**
 * Reads `conda-meta/*.json`. A broken record causes a warning. It costs order in the archive and nothing else.
 * @param only names of the records to read, without the ending; all by default
 * @throws StageError UNREADABLE if conda-meta can't be listed
 */
export async function readRecords(prefix: string, only?: readonly BytePath[]): Promise<CondaRecords> {
  const all = only?.map((name) => `conda-meta/${name}.json`) ?? (await pathsOnDisk(prefix, 'conda-meta'))
  const files = all.filter((path) => path.endsWith('.json')).sort()
  const found = new Map<BytePath, RecordedPath[]>()
  const warnings: string[] = []
  const together: Allowance = { bytes: MOST_TOGETHER }
  const intern = interner()
  await drain([...files], IN_FLIGHT, async (path) => {
    try {
      const text = (await readSmall(fsPath(prefix, path), MOST_BYTES, together)).toString('utf8')
      const id = path.slice('conda-meta/'.length, -'.json'.length)
      const { paths, isOdd } = recordedPaths(JSON.parse(text), id, intern)
      found.set(path, paths)
      if (isOdd) warnings.push(`${displayPath(path)} has entries of an unknown kind; conda-stage ignores them`)
    } catch (error) {
      const why = error instanceof SyntaxError ? 'is not a record in JSON' : (error as Error).message
      warnings.push(`${displayPath(path)} can't be used: it ${why}`)
    }
  })
  // Reads end in any order. If two packages list one path, the last by name has to win each time.
  const paths = new Map(files.flatMap((path) => found.get(path) ?? []))
  return { paths, warnings: warnings.sort() }
}
