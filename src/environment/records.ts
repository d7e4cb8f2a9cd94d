import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BytePath, bytePathOf } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'

interface CondaPackage {
  name: string
  version: string
  build: string
}

/** The package that a path belongs to (`name-version-build`), how the prefix got into the file, and the file's size before that. */
type Recorded = Required<Pick<ListedName, 'package'>> & Pick<ListedName, 'placeholder' | 'recordedSize'>

export interface CondaRecords {
  /** The facts about each path that the records list. */
  paths: Map<BytePath, Recorded>
  /** Sorted by name. */
  packages: CondaPackage[]
  /** Messages about records that could not be used. Their files are packed as files of no package. */
  warnings: string[]
}

/** The parts of a record that we use. Any may be missing or have another type, because many tools write records. */
interface RecordFile {
  name?: unknown
  version?: unknown
  build?: unknown
  noarch?: unknown
  files?: unknown
  paths_data?: { paths?: unknown } | null
}

interface RecordPath {
  _path?: unknown
  prefix_placeholder?: unknown
  file_mode?: unknown
  size_in_bytes?: unknown
}

/**
 * Reads `conda-meta/*.json`. A broken record causes a warning. It costs order in the archive and nothing else.
 * @param only names of the records to read, without the ending; all by default
 */
export async function readRecords(prefix: string, only?: readonly string[]): Promise<CondaRecords> {
  const folder = join(prefix, 'conda-meta')
  const files = only?.map((name) => `${name}.json`) ?? (await readdir(folder))
  const names = files.filter((name) => name.endsWith('.json')).sort()
  const texts = new Map<string, RecordFile>()
  const warnings: string[] = []
  await drain([...names], IN_FLIGHT, async (name) => {
    try {
      const record: unknown = JSON.parse(await readFile(join(folder, name), 'utf8'))
      if (typeof record !== 'object' || record === null) throw new SyntaxError('it holds no object')
      texts.set(name, record)
    } catch (error) {
      warnings.push(`conda-meta/${name} can't be used: ${(error as Error).message}`)
    }
  })
  const records: CondaRecords = { paths: new Map(), packages: [], warnings: warnings.sort() }
  // Reads end in any order. If two packages list one path, the last by name has to win each time.
  const intern = interner()
  for (const name of names) {
    const record = texts.get(name)
    if (record !== undefined) addRecord(records, name.slice(0, -'.json'.length), record, intern)
  }
  return records
}

function addRecord(records: CondaRecords, id: string, record: RecordFile, intern: (text: string) => string): void {
  const { name, version, build } = record
  if (typeof name === 'string')
    records.packages.push({ name, version: String(version ?? ''), build: String(build ?? '') })
  const detailed = record.paths_data?.paths
  if (Array.isArray(detailed)) {
    const installed = record.noarch === 'python' ? placeOfNoarch(record.files) : (path: string) => path
    for (const path of detailed as (RecordPath | null)[]) {
      if (typeof path?._path !== 'string') continue
      const { prefix_placeholder: text, file_mode: mode, size_in_bytes: size } = path
      const recorded: Recorded = { package: id }
      if (typeof text === 'string' && (mode === 'text' || mode === 'binary')) {
        recorded.placeholder = { text: intern(text), mode }
      }
      if (typeof size === 'number' && size >= 0) recorded.recordedSize = size
      records.paths.set(bytePathOf(installed(path._path)), recorded)
    }
  } else if (Array.isArray(record.files)) {
    for (const path of record.files) if (typeof path === 'string') records.paths.set(bytePathOf(path), { package: id })
  }
}

/**
 * Gives the path in the environment for a path in the record of a noarch Python package. conda's record has paths of the
 * package in `paths_data`, and paths of the environment in `files` (conda's get_python_noarch_target_path). rattler's has the
 * latter in both.
 */
function placeOfNoarch(files: unknown): (path: string) => string {
  const all: unknown[] = Array.isArray(files) ? files : []
  const inPython = all.find((path): path is string => typeof path === 'string' && IN_PYTHON.test(path))
  const sitePackages = inPython && IN_PYTHON.exec(inPython)![0]
  return (path) => path.replace(/^python-scripts\//, 'bin/').replace(/^site-packages\//, (same) => sitePackages ?? same)
}

const IN_PYTHON = /^lib\/python[^/]*\/site-packages\//

/** Gives one string for all equal ones, because each of 100,000 paths brings its own copy of a placeholder of 255 characters. */
function interner(): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const same = known.get(text)
    if (same !== undefined) return same
    known.set(text, text)
    return text
  }
}
