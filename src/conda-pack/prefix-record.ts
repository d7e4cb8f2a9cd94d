import type { ArchivedEntry, ArchivedFile } from '../model/archive-index.ts'
import { type BytePath, bytePathOf, parentOf } from '../model/byte-path.ts'
import type { RenamedMembers } from '../model/entry.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import type { Escaping, Occurrence, Relocation } from '../model/relocation.ts'
import { refit } from '../relocate/elf.ts'
import { escapings, unitWidth } from '../relocate/encodings.ts'
import { relocateTarget, withoutDetour } from '../relocate/symlink.ts'

/**
 * Tells `bin/conda-unpack` where the prefix stands, file by file. conda-unpack updates this record as it relocates, so that
 * an environment can be moved more than once. The record is JSON; byte paths and texts in it are latin1.
 */
export const recordPath = (kind: EnvironmentKind): BytePath =>
  kind === 'venv' ? '.conda-stage-prefixes' : 'conda-meta/conda-stage-prefixes'

interface PrefixRecord {
  format: 1
  /** Prefixes that stand in the files now. A spot names one of them by its number. */
  prefixes: string[]
  /** How many of them are the original's; they come first. */
  given: number
  /** Where the environment was relocated to; null if it is as it came out of the archive. */
  at: string | null
  /** Where it is being relocated to; null if conda-unpack is not at work and was not interrupted. */
  moving: string | null
  /** The tables of the encodings that only replace characters, as far as they are used. */
  escapings?: { [encoding in Escaping]?: Readonly<{ [character: string]: string }> }
  files: RecordedFile[]
  /** Symbolic links that lead below the prefix. */
  symlinks: BytePath[]
  /** Symbolic links that lead there by a detour, each with the relative target that takes none. */
  detours?: [path: BytePath, target: BytePath][]
}

/** Offset in the file, number of the prefix, encoding. */
type Spot = [offset: number, prefix: number, encoding: Occurrence['encoding']]

interface RecordedFile {
  path: BytePath
  kind: Relocation['kind']
  /** Its hard links. */
  links?: BytePath[]
  /** What has to be replaced as one: a whole C string with its end and room, else a single spot. */
  strings: RecordedString[]
  /** Of a script: length of its first lines as they were packed, and the prefixes in them. */
  headLength?: number
  headPlaces?: Spot[]
  /** Number of the prefix that stands there now; null until conda-unpack has relocated the script. */
  headPrefix?: null
  /** The head must not get shorter: a zip is behind it. */
  headFilled?: true
}

interface RecordedString {
  places: Spot[]
  end?: number
  room?: number
  /** What to write at this offset if a prefix has no room: the same folders, relative to the file's own. */
  relative?: [offset: number, text: string]
}

/** The record for an archive's entries, ready to be written. */
export function prefixRecord(
  entries: readonly ArchivedEntry[],
  prefixes: readonly string[],
  renamed: RenamedMembers,
): Buffer {
  const nameOf = ({ path }: ArchivedEntry) => renamed.get(path) ?? path
  const links = new Map<BytePath, BytePath[]>()
  for (const entry of entries)
    if (entry.type === 'hardlink') links.set(entry.target, [...(links.get(entry.target) ?? []), nameOf(entry)])
  // No path begins with a NUL but those that lead inside and are relocated.
  const isInside = (target: BytePath) => relocateTarget(target, prefixes, '\0').startsWith('\0')
  const symlinks = entries.filter((entry) => entry.type === 'symlink')
  const detours = symlinks.flatMap((link): [BytePath, BytePath][] => {
    const target = withoutDetour(link, prefixes)
    return target === undefined ? [] : [[nameOf(link), target]]
  })
  const taken = new Set(detours.map(([path]) => path))
  const used = escapingsOf(entries)
  const record: PrefixRecord = {
    format: 1,
    prefixes: [...prefixes],
    given: prefixes.length,
    at: null,
    moving: null,
    ...(Object.keys(used).length > 0 && { escapings: used }),
    files: entries.flatMap((entry) =>
      entry.type === 'file' ? recordedFile(entry, prefixes, { links: links.get(entry.path), name: nameOf(entry) }) : [],
    ),
    symlinks: symlinks.filter((link) => isInside(link.target) && !taken.has(nameOf(link))).map(nameOf),
    ...(detours.length > 0 && { detours }),
  }
  return Buffer.from(JSON.stringify(record))
}

function escapingsOf(entries: readonly ArchivedEntry[]): NonNullable<PrefixRecord['escapings']> {
  const used: NonNullable<PrefixRecord['escapings']> = {}
  for (const entry of entries)
    for (const { encoding } of (entry.type === 'file' && entry.relocation?.occurrences) || [])
      if (encoding in escapings) used[encoding as Escaping] = escapings[encoding as Escaping]
  return used
}

/** Gives nothing for containers, which can't be relocated. */
function recordedFile(
  { path, relocation }: ArchivedFile,
  prefixes: readonly string[],
  { links, name }: { links: BytePath[] | undefined; name: BytePath },
): RecordedFile[] {
  if (!relocation?.occurrences.length || relocation.kind === 'container') return []
  // If no length may change, the file is like a binary without room.
  const kind = relocation.fixed ? 'binary' : relocation.kind
  const common = { path: name, kind, ...(links && { links }) }
  const headFilled = relocation.sealed !== undefined && { headFilled: true as const }
  if (kind === 'text') return [{ ...common, ...textStrings(relocation), ...headFilled }]
  return [{ ...common, strings: binaryStrings(path, relocation, prefixes) }]
}

const spotOf = ({ offset, prefix, encoding }: Occurrence): Spot => [offset, prefix, encoding]

function textStrings({ occurrences, head = 0 }: Relocation): Omit<RecordedFile, 'path' | 'kind'> {
  const inHead = occurrences.filter(({ offset }) => offset < head)
  const others = occurrences.filter(({ offset }) => offset >= head)
  const strings = others.map((occurrence) => ({ places: [spotOf(occurrence)] }))
  if (inHead.length === 0) return { strings }
  return { strings, headLength: head, headPlaces: inHead.map(spotOf), headPrefix: null }
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
      places: group.map(spotOf),
      ...(end !== undefined && room !== undefined && { end, room }),
      ...(relative && { relative }),
    }
  })
}

/** Longer than any path that the kernel takes, so it fits nowhere. */
const FITS_NOWHERE: BytePath = `/${'x'.repeat(20_000)}`

/** RPATH, RUNPATH or NEEDED with `$ORIGIN` in place of the prefix, as long as before; undefined if that is impossible. */
function relativeString(
  path: BytePath,
  { dynamic }: Relocation,
  group: readonly Occurrence[],
  prefixes: readonly string[],
): RecordedString['relative'] {
  const { offset: at, end } = group[0]!
  const string = dynamic?.find(({ offset, text }) => offset <= at && offset + text.length === end)
  if (string === undefined) return undefined
  const folder = parentOf(path)
  const text = refit(string, { folder, from: prefixes.map(bytePathOf), to: FITS_NOWHERE, count: group.length })
  return text === undefined ? undefined : [string.offset, text]
}
