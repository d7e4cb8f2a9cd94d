import type { ArchivedEntry, ArchivedFile } from '../model/archive-index.ts'
import { type BytePath, bytePathOf } from '../model/byte-path.ts'
import type { Escaping, Occurrence, Relocation } from '../model/relocation.ts'
import { refit } from '../relocate/elf.ts'
import { escapings, unitWidth } from '../relocate/encodings.ts'

/**
 * What `bin/conda-unpack` goes by: where the prefix stands, file by file. It keeps this up to date as it relocates, so that
 * an environment can be moved more than once. JSON; byte paths and texts are latin1.
 */
export const RECORD_PATH: BytePath = 'conda-meta/conda-stage-prefixes'

interface Record {
  format: 1
  /** What stands in the files now; places name one of these by its number. */
  prefixes: string[]
  /** How many of them are the original's. */
  given: number
  /** Where the environment was relocated to; null as it comes out of the archive. */
  at: string | null
  /** Where it is being relocated to. */
  moving: string | null
  /** The tables of the encodings that only replace characters, as far as they are used. */
  escapings?: { [encoding in Escaping]?: Readonly<{ [character: string]: string }> }
  files: RecordedFile[]
  /** Symbolic links to below the prefix. */
  symlinks: BytePath[]
}

/** Offset, number of the prefix, encoding. */
type Place = [offset: number, prefix: number, encoding: Occurrence['encoding']]

interface RecordedFile {
  path: BytePath
  kind: Relocation['kind']
  /** Its hard links. */
  links?: BytePath[]
  /** What can only be replaced together: C strings with their end and room; else one place each. */
  strings: RecordedString[]
  /** Bytes of a script's first lines as they were packed, and the prefixes in them; the number of the one there now. */
  headLength?: number
  headPlaces?: Place[]
  headPrefix?: null
  /** The head must not get shorter: a zip is behind it. */
  headFilled?: true
}

interface RecordedString {
  places: Place[]
  end?: number
  room?: number
  /** What to put at this offset where the prefix has no room: the same folders, named from the file's own. */
  relative?: [offset: number, text: string]
}

/** The record of an archive's entries, ready to be written. */
export function prefixRecord(entries: readonly ArchivedEntry[], prefixes: readonly string[]): Buffer {
  const links = new Map<BytePath, BytePath[]>()
  for (const entry of entries)
    if (entry.type === 'hardlink') links.set(entry.target, [...(links.get(entry.target) ?? []), entry.path])
  const starts = prefixes.map(bytePathOf)
  const isInside = (target: BytePath) => starts.some((start) => target === start || target.startsWith(`${start}/`))
  const files = entries.flatMap((entry) => (entry.type === 'file' ? recordedFile(entry, prefixes, links) : []))
  const used = escapingsOf(entries)
  const record: Record = {
    format: 1,
    prefixes: [...prefixes],
    given: prefixes.length,
    at: null,
    moving: null,
    ...(Object.keys(used).length > 0 && { escapings: used }),
    files,
    symlinks: entries.flatMap((entry) => (entry.type === 'symlink' && isInside(entry.target) ? [entry.path] : [])),
  }
  return Buffer.from(JSON.stringify(record))
}

function escapingsOf(entries: readonly ArchivedEntry[]): NonNullable<Record['escapings']> {
  const used: NonNullable<Record['escapings']> = {}
  for (const entry of entries)
    for (const { encoding } of (entry.type === 'file' && entry.relocation?.occurrences) || [])
      if (encoding in escapings) used[encoding as Escaping] = escapings[encoding as Escaping]
  return used
}

/** Containers are left out: nothing can be done about them. */
function recordedFile(
  { path, relocation }: ArchivedFile,
  prefixes: readonly string[],
  links: ReadonlyMap<BytePath, BytePath[]>,
): RecordedFile[] {
  if (relocation === undefined || relocation.kind === 'container') return []
  // Where no length may change it is like a binary without room.
  const kind = relocation.fixed ? 'binary' : relocation.kind
  const others = links.get(path)
  const common = { path, kind, ...(others && { links: others }) }
  const headFilled = relocation.sealed !== undefined && { headFilled: true as const }
  if (kind === 'text') return [{ ...common, ...textStrings(relocation), ...headFilled }]
  return [{ ...common, strings: binaryStrings(path, relocation, prefixes) }]
}

const placeOf = ({ offset, prefix, encoding }: Occurrence): Place => [offset, prefix, encoding]

function textStrings({ occurrences, head = 0 }: Relocation): Omit<RecordedFile, 'path' | 'kind'> {
  const inHead = occurrences.filter(({ offset }) => offset < head)
  const others = occurrences.filter(({ offset }) => offset >= head)
  const strings = others.map((occurrence) => ({ places: [placeOf(occurrence)] }))
  if (inHead.length === 0) return { strings }
  return { strings, headLength: head, headPlaces: inHead.map(placeOf), headPrefix: null }
}

function binaryStrings(path: BytePath, relocation: Relocation, prefixes: readonly string[]): RecordedString[] {
  const { kind, occurrences } = relocation
  const groups = Map.groupBy(occurrences, ({ offset, end, encoding }) =>
    kind === 'pyc' || unitWidth(encoding) > 1 ? offset : `string ${end}`,
  )
  return [...groups.values()].map((group) => {
    const { end, room } = group[0]!
    const relative = kind === 'elf' ? relativeString(path, relocation, group, prefixes) : undefined
    return {
      places: group.map(placeOf),
      ...(end !== undefined && room !== undefined && { end, room }),
      ...(relative && { relative }),
    }
  })
}

/** No path of the kernel's is as long, so that it fits nowhere. */
const FITS_NOWHERE: BytePath = `/${'x'.repeat(20_000)}`

/** RPATH, RUNPATH or NEEDED with `$ORIGIN` in place of the prefix, as long as it was; undefined where that can't be. */
function relativeString(
  path: BytePath,
  { dynamic }: Relocation,
  group: readonly Occurrence[],
  prefixes: readonly string[],
): RecordedString['relative'] {
  const { offset: at, end } = group[0]!
  const string = dynamic?.find(({ offset, text }) => offset <= at && offset + text.length === end)
  if (string === undefined) return undefined
  const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')))
  const text = refit(string, { folder, from: prefixes.map(bytePathOf), to: FITS_NOWHERE, count: group.length })
  return text === undefined ? undefined : [string.offset, text]
}
