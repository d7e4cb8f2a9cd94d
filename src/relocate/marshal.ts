/** Bytes before the prefix that may hold the beginning of its string, and bytes behind it that may hold the next object. */
export const MARSHAL_REACH = 2000

/**
 * Guesses the counted string of a .pyc file (Python's marshal) that holds data[start, end), by what surrounds it: reading
 * the file from its beginning would take far longer than searching it. Returns the offsets of its
 * first byte and of the byte after its last. A string that ends exactly with the match is preferred, because the byte
 * behind it is then no text.
 */
export function stringAround(data: Buffer, start: number, end: number): { start: number; end: number } | undefined {
  let nearest: { start: number; end: number } | undefined
  for (let from = start; from >= Math.max(0, start - MARSHAL_REACH); from--) {
    for (const length of lengthsBefore(data, from)) {
      const to = from + length
      if (to < end || !isFollowedByObject(data, to, end)) continue
      if (to === end) return { start: from, end: to }
      nearest ??= { start: from, end: to }
    }
  }
  return nearest
}

/** The counts that the bytes before `from` can be: one byte behind a short type, four bytes behind a long type. */
function lengthsBefore(data: Buffer, from: number): number[] {
  const lengths: number[] = []
  if (from >= 2 && isType(SHORT, data[from - 2]!)) lengths.push(data[from - 1]!)
  if (from >= 5 && isType(LONG, data[from - 5]!)) lengths.push(data.readUInt32LE(from - 4))
  return lengths
}

/** Letters of a path can look like a type and a count, but then an object rarely follows the string. */
function isFollowedByObject(data: Buffer, to: number, matchEnd: number): boolean {
  if (to - matchEnd > MARSHAL_REACH) return to - matchEnd < 2 ** 24
  return to >= data.length || isType(ANY, data[to]!)
}

// The top bit of a type says that the stream may refer to the object later.
const isType = (types: Set<number>, byte: number): boolean => types.has(byte & 0x7f)
const typesOf = (letters: string): Set<number> => new Set(Buffer.from(letters))
const SHORT = typesOf('zZ')
const LONG = typesOf('stuaA')
const ANY = typesOf('0NFTS.:iIfgxylstuaAzZr()[]{}<>cR?')
