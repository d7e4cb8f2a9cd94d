import type { Encoding, Occurrence, Relocation } from '../../model/relocation.ts'

/** The encodings of the first programs that read this format. They would not know what to do with any other. */
const FIRST: ReadonlySet<Encoding> = new Set([
  'utf8',
  'json-slash',
  'json-ascii',
  'percent',
  'utf16le',
  'utf16be',
  'utf32le',
  'utf32be',
] as const)

/** A Relocation as the index has it: occurrences in later encodings apart, where older programs pass over them. */
export type StoredRelocation = Relocation & { escaped?: Occurrence[] }

export function storedRelocation(relocation: Relocation): StoredRelocation {
  const { first = [], later } = Object.groupBy(relocation.occurrences, ({ encoding }) =>
    FIRST.has(encoding) ? 'first' : 'later',
  )
  return later === undefined ? relocation : { ...relocation, occurrences: first, escaped: later }
}

export function readRelocation({ escaped, ...relocation }: StoredRelocation): Relocation {
  if (escaped === undefined) return relocation
  // They may be anything: they are checked together, afterwards.
  const place = (occurrence: Occurrence | null): number => occurrence?.offset ?? 0
  const occurrences = [...relocation.occurrences, ...escaped].sort((a, b) => place(a) - place(b))
  return { ...relocation, occurrences }
}
