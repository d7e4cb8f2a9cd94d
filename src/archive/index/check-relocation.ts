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
 * Makes a check that lets nothing through by which a relocator could reach beyond a file. Within the file it may put the new
 * prefix anywhere: the archive could hold any other bytes there anyway.
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
    if (!KINDS.has(kind)) return 'has relocations of an unknown kind'
    const lists = isListOf(outward, isOutward) && isListOf(dynamic, isDynamic)
    const flags = isFlag(fixed) && isFlag(readable) && isOptional(sealed)
    if (!lists || !flags || !isOptional(head) || !occurrences.every(isOccurrence))
      return 'has relocations that make no sense'
    const isInside =
      (head ?? 0) <= Math.min(size, LONGEST_HEAD) &&
      outward.every(({ offset, length }) => offset + length <= size) &&
      dynamic.every(({ offset, text }) => offset + text.length <= size) &&
      areInside(relocation, size, lengthOf)
    return isInside ? undefined : 'has relocations at impossible places'
  }
}

/** Whether the occurrences are in order, apart, and in the file with all that is edited together with them. */
function areInside(
  { kind, occurrences, head = 0 }: Relocation,
  size: number,
  lengthOf: (occurrence: Occurrence) => number,
): boolean {
  let until = 0
  return occurrences.every((occurrence) => {
    const { offset, encoding, end, room = 0, counted } = occurrence
    const to = offset + lengthOf(occurrence)
    if (offset < until || to > size) return false
    until = to
    if (kind === 'text') return offset >= head || to <= head
    // The end of a string says nothing about a spelling that holds NULs.
    if (end === undefined || unitWidth(encoding) > 1) return true
    return to <= end && end + room <= size && (counted === undefined || counted + 2 <= offset)
  })
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
