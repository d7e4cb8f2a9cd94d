import type { DynamicString, Encoding, Occurrence, Outward, Relocation } from '../../model/relocation.ts'
import { encodings, unitWidth } from '../../relocate/encodings.ts'

/** The scanner keeps no more of a script. */
const LONGEST_HEAD = 65_536

const KINDS: ReadonlySet<unknown> = new Set<Relocation['kind']>([
  'text',
  'elf',
  'binary',
  'pyc',
  'pyc-only',
  'container',
])

/** Says what is wrong with a file's relocation, as an archive states it; undefined if nothing is. */
export type RelocationCheck = (relocation: Relocation, size: number) => string | undefined

/**
 * Makes a check that lets nothing through by which a relocator could write outside of a file, or edit the same bytes twice.
 * Within the file it may put the new prefix anywhere: the archive could hold any other bytes there anyway.
 * @param prefixes the index's
 */
export function relocationCheck(prefixes: readonly string[]): RelocationCheck {
  const lengths = prefixes.map(() => new Map<Encoding, number>())
  const lengthOf = ({ prefix, encoding }: Occurrence): number => {
    const known = lengths[prefix]!.get(encoding) ?? encodings[encoding](prefixes[prefix]!).length
    lengths[prefix]!.set(encoding, known)
    return known
  }
  const isOccurrence = (value: Occurrence | null): boolean =>
    isCount(value?.offset) &&
    isCount(value.prefix) &&
    value.prefix < prefixes.length &&
    Object.hasOwn(encodings, value.encoding as Encoding | symbol) &&
    isOptional(value.end) &&
    isOptional(value.room) &&
    isOptional(value.counted)

  return (relocation, size) => {
    const { kind, occurrences, head, outward = [], dynamic = [], sealed, fixed, readable } = relocation
    if (!KINDS.has(kind)) return 'is to be relocated as an unknown kind of file'
    const lists = isListOf(outward, isOutward) && isListOf(dynamic, isDynamic)
    const isHead = isOptional(head) && (head ?? 0) <= Math.min(size, LONGEST_HEAD)
    const flags = isFlag(fixed) && isFlag(readable) && isOptional(sealed)
    if (!lists || !isHead || !flags || !occurrences.every(isOccurrence)) return 'is to be relocated by nonsense'
    const stretches = isPlain(relocation) ? occurrencesOf(relocation, lengthOf) : stretchesOf(relocation, lengthOf)
    if (stretches === undefined || !areApart(stretches, size)) return 'is to be relocated at impossible places'
    return undefined
  }
}

/** Bytes of a file that are edited together. */
interface Stretch {
  from: number
  to: number
}

/** Whether each occurrence is edited for itself, and nothing else is. That are nearly all of ten thousand byte codes. */
const isPlain = ({ kind, head, outward, dynamic }: Relocation): boolean =>
  (kind === 'pyc' || kind === 'text' || kind === 'container') && !head && !outward && !dynamic

const occurrencesOf = ({ occurrences }: Relocation, lengthOf: (occurrence: Occurrence) => number): Stretch[] =>
  occurrences.map((occurrence) => ({ from: occurrence.offset, to: occurrence.offset + lengthOf(occurrence) }))

/** What the relocators may edit. Undefined if the numbers of an occurrence do not fit together. */
function stretchesOf(
  { kind, occurrences, outward = [], dynamic = [], head = 0 }: Relocation,
  lengthOf: (occurrence: Occurrence) => number,
): Stretch[] | undefined {
  const isText = kind === 'text'
  const starts = new Map(dynamic.map(({ offset, text }) => [offset + text.length, offset]))
  const stretches: Stretch[] = outward.map(({ offset, length }) => ({ from: offset, to: offset + length }))
  if (isText && head > 0) stretches.push({ from: 0, to: head })
  let string: (Stretch & { end: number; counted: number | undefined }) | undefined
  let until = 0
  for (const occurrence of occurrences) {
    const { offset, room = 0, encoding } = occurrence
    const to = offset + lengthOf(occurrence)
    if (offset < until) return undefined
    until = to
    const counted = kind === 'pyc-only' ? occurrence.counted : undefined
    const isString = unitWidth(encoding) === 1 && (kind === 'elf' || kind === 'binary' || counted !== undefined)
    const end = isString ? occurrence.end : undefined
    if (isText && offset < head) {
      if (to > head) return undefined
    } else if (end === undefined) stretches.push({ from: offset, to })
    else if (to > end || (counted !== undefined && counted + 2 > offset)) return undefined
    else if (string !== undefined && string.end === end && string.counted === counted)
      string.to = Math.max(string.to, end + room)
    else {
      string = { from: Math.min(offset, counted ?? starts.get(end) ?? offset), to: end + room, end, counted }
      stretches.push(string)
    }
  }
  return stretches.sort((a, b) => a.from - b.from)
}

/** Those of occurrences alone have to be in order. */
function areApart(stretches: readonly Stretch[], size: number): boolean {
  let until = 0
  for (const { from, to } of stretches) {
    if (from < until || to > size) return false
    until = to
  }
  return true
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isOptional = (value: unknown): boolean => value === undefined || isCount(value)

const isFlag = (value: unknown): boolean => value === undefined || value === true

const isListOf = <T>(value: readonly T[], isOne: (one: T) => boolean): boolean =>
  Array.isArray(value) && value.every(isOne)

const isOutward = (value: Outward | null): boolean =>
  isCount(value?.offset) && isCount(value.length) && value.length > 0

const isDynamic = (value: DynamicString | null): boolean =>
  isCount(value?.offset) &&
  typeof value.text === 'string' &&
  /^[^\0\u0100-\uffff]+$/.test(value.text) &&
  typeof value.list === 'boolean' &&
  isOptional(value.shared) &&
  (value.shared ?? value.offset) >= value.offset
