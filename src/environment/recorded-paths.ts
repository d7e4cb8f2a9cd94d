import { type BytePath, bytePathOf } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'

/** The package that a path belongs to (`name-version-build`), how the prefix got into the file, and the file's size before that. */
export type Recorded = Required<Pick<ListedName, 'package'>> & Pick<ListedName, 'placeholder' | 'recordedSize'>

export type RecordedPath = [BytePath, Recorded]

/**
 * What one of conda's records says of its paths. Many tools write records, so any part may be missing. What has another type than
 * it should is passed over, and the record is odd.
 * @param record as JSON has it, however deep
 * @param id the record's name: `name-version-build`
 * @throws SyntaxError if it is no object
 */
export function recordedPaths(
  record: unknown,
  id: string,
  intern: (text: string) => string,
): { paths: RecordedPath[]; isOdd: boolean } {
  if (!isObject(record)) throw new SyntaxError('a record is an object')
  const { name, version, build, noarch, files, paths_data: data } = record
  const detailed = isNothing(data) ? undefined : isObject(data) ? data.paths : data
  const hasDetails = !isNothing(detailed)
  const [list, isList] = listIn(hasDetails ? detailed : files)
  const installed = noarch === 'python' && hasDetails ? placeOfNoarch(files) : (path: string) => path
  const paths: RecordedPath[] = []
  let isOdd = !isList || ![name, version, build].every(isTextOrNothing)
  for (const one of list) {
    const facts = hasDetails ? one : { _path: one }
    if (!isObject(facts) || !isPath(facts._path)) isOdd = true
    else {
      const { recorded, isPlain } = recordedFacts(facts, id, intern)
      paths.push([bytePathOf(installed(facts._path)), recorded])
      isOdd ||= !isPlain
    }
  }
  return { paths, isOdd }
}

/** The kernel takes no longer path, and a placeholder is one. */
const LONGEST = 4096

function recordedFacts(
  { prefix_placeholder: text, file_mode: mode, size_in_bytes: size }: Fields,
  id: string,
  intern: (text: string) => string,
): { recorded: Recorded; isPlain: boolean } {
  const recorded: Recorded = { package: id }
  if (typeof text === 'string' && text !== '' && text.length <= LONGEST && (mode === 'text' || mode === 'binary'))
    recorded.placeholder = { text: intern(text), mode }
  if (Number.isSafeInteger(size) && (size as number) >= 0) recorded.recordedSize = size as number
  const isPlain = isTextOrNothing(text) && isTextOrNothing(mode) && (isNothing(size) || recorded.recordedSize === size)
  return { recorded, isPlain }
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isNothing = (value: unknown): value is null | undefined => value === null || value === undefined

const isTextOrNothing = (value: unknown): boolean => isNothing(value) || typeof value === 'string'

/** No file can have another one. */
const isPath = (value: unknown): value is string => typeof value === 'string' && value !== '' && !value.includes('\0')

function listIn(value: unknown): [list: unknown[], isList: boolean] {
  return Array.isArray(value) ? [value, true] : [[], isNothing(value)]
}

/**
 * Gives the path in the environment for a path in the record of a noarch Python package. conda's record has paths of the
 * package in `paths_data`, and paths of the environment in `files` (conda's get_python_noarch_target_path). rattler's has the
 * latter in both.
 */
function placeOfNoarch(files: unknown): (path: string) => string {
  const inPython = listIn(files)[0].find((path): path is string => typeof path === 'string' && IN_PYTHON.test(path))
  const sitePackages = inPython && IN_PYTHON.exec(inPython)![0]
  return (path) => path.replace(/^python-scripts\//, 'bin/').replace(/^site-packages\//, (same) => sitePackages ?? same)
}

const IN_PYTHON = /^lib\/python[^/]*\/site-packages\//

/** Gives one string for all equal ones, because each of 100,000 paths brings its own copy of a placeholder of 255 characters. */
export function interner(): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const same = known.get(text)
    if (same !== undefined) return same
    known.set(text, text)
    return text
  }
}
