import type { BytePath } from '../model/byte-path.ts'
import type { Occurrence } from '../model/relocation.ts'

/**
 * Whether Python takes the byte code as it is, whatever its source is like now: its header says that it is not to be
 * compared with the source, or it is not in `__pycache__`. There it needs no source, and Python 2 compares only times.
 *
 * @param head of a .pyc file
 */
export function isNeverRemade(head: Buffer, path: BytePath): boolean {
  if (!/(?:^|\/)__pycache__\/[^/]*$/.test(path)) return true
  return headerSize(versionOf(head)) === 16 && head.length >= 8 && (head.readUInt32LE(4) & 0b11) === 0b01
}

/** The magic number: 62211 is Python 2.7, 3571 is Python 3.13. */
const versionOf = (data: Buffer): number => (data.length < 2 ? 0 : data.readUInt16LE(0))

const isPython2 = (version: number): boolean => version > 60_000
const isPython3 = (version: number): boolean => version >= 3000 && version < 3800

/** Bytes before the marshalled code. */
function headerSize(version: number): number {
  if (!isPython3(version) || version < 3190) return 8
  return version < 3390 ? 12 : 16
}

/** A counted string: offsets of its type, of its first byte, and behind its last. */
interface Counted {
  type: number
  start: number
  end: number
}

/** Writes into each occurrence the counted string that holds it, if all of the .pyc file can be read. */
export function findStrings(occurrences: readonly Occurrence[], data: Buffer): void {
  const strings = stringsOf(data) ?? []
  let next = 0
  for (const occurrence of occurrences) {
    while (next < strings.length && strings[next]!.end <= occurrence.offset) next++
    const string = strings[next]
    if (string === undefined || string.start > occurrence.offset) continue
    occurrence.counted = string.type
    occurrence.end = string.end
  }
}

/**
 * All strings in a .pyc file, in order. Undefined if that can't be read to its very last byte: then nothing is known
 * for certain.
 * @internal Exported for its tests.
 */
export function stringsOf(data: Buffer): Counted[] | undefined {
  const version = versionOf(data)
  if (!isPython2(version) && !isPython3(version)) return undefined
  const reader = new MarshalReader(data, headerSize(version), codeFields(version))
  try {
    reader.object(0)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
  return reader.at === data.length ? reader.strings : undefined
}

/** What a code object is made of: numbers, objects, one more number, objects. */
interface CodeFields {
  numbers: number
  objects: number
  objectsBehindLine: number
}

function codeFields(version: number): CodeFields {
  if (isPython2(version)) return { numbers: 4, objects: 8, objectsBehindLine: 1 }
  if (version < 3410) return { numbers: 5, objects: 8, objectsBehindLine: 1 }
  if (version < 3450) return { numbers: 6, objects: 8, objectsBehindLine: 1 }
  return { numbers: 5, objects: 8, objectsBehindLine: 2 }
}

/** Nested constants of real programs are a few dozen deep. */
const MAX_DEPTH = 1000

class MarshalReader {
  readonly strings: Counted[] = []
  at: number
  readonly #data: Buffer
  readonly #fields: CodeFields

  constructor(data: Buffer, start: number, fields: CodeFields) {
    this.#data = data
    this.at = start
    this.#fields = fields
  }

  /** Returns false for the mark that ends a dictionary. Throws RangeError for what is not marshal. */
  object(depth: number): boolean {
    if (depth > MAX_DEPTH) throw new RangeError('nested too deeply')
    const at = this.at
    const type = String.fromCharCode(this.#byte() & 0x7f)
    switch (type) {
      case '0':
        return false
      case 'N':
      case 'F':
      case 'T':
      case 'S':
      case '.':
        break
      case 'i':
      case 'r':
      case 'R':
        this.#skip(4)
        break
      case 'I':
      case 'g':
        this.#skip(8)
        break
      case 'y':
        this.#skip(16)
        break
      case 'f':
        this.#skip(this.#byte())
        break
      case 'x':
        this.#skip(this.#byte())
        this.#skip(this.#byte())
        break
      case 'l':
        this.#skip(2 * Math.abs(this.#number()))
        break
      case 'z':
      case 'Z':
        this.#string(at, this.#byte())
        break
      case 's':
      case 't':
      case 'u':
      case 'a':
      case 'A':
        this.#string(at, this.#number())
        break
      case ')':
        this.#objects(this.#byte(), depth)
        break
      case '(':
      case '[':
      case '<':
      case '>':
        this.#objects(this.#number(), depth)
        break
      case '{':
        while (this.object(depth + 1)) this.object(depth + 1)
        break
      case ':':
        this.#objects(3, depth)
        break
      case 'c':
        this.#skip(4 * this.#fields.numbers)
        this.#objects(this.#fields.objects, depth)
        this.#skip(4)
        this.#objects(this.#fields.objectsBehindLine, depth)
        break
      default:
        throw new RangeError(`no type of marshal: ${type}`)
    }
    return true
  }

  #objects(count: number, depth: number): void {
    if (count < 0) throw new RangeError('a negative count')
    for (let n = 0; n < count; n++) if (!this.object(depth + 1)) throw new RangeError('an object is missing')
  }

  #string(type: number, length: number): void {
    const start = this.at
    this.#skip(length)
    this.strings.push({ type, start, end: this.at })
  }

  #byte(): number {
    const at = this.at
    this.#skip(1)
    return this.#data[at]!
  }

  #number(): number {
    const at = this.at
    this.#skip(4)
    return this.#data.readInt32LE(at)
  }

  #skip(count: number): void {
    if (count < 0 || this.at + count > this.#data.length) throw new RangeError('it ends early')
    this.at += count
  }
}

/** A counted string with another text. The type fits its new length and letters; `type` is the old one. */
export function writeString(type: number, text: Buffer): Buffer {
  const flag = type & 0x80
  let letter = String.fromCharCode(type & 0x7f)
  const isAscii = text.every((byte) => byte < 0x80)
  const isInterned = letter === 'Z' || letter === 'A'
  if ('zZaA'.includes(letter)) {
    if (!isAscii) letter = isInterned ? 't' : 'u'
    else if (text.length > 255) letter = isInterned ? 'A' : 'a'
  }
  const isShort = letter === 'z' || letter === 'Z'
  const head = Buffer.alloc(isShort ? 2 : 5)
  head[0] = flag | letter.charCodeAt(0)
  if (isShort) head[1] = text.length
  else head.writeUInt32LE(text.length, 1)
  return Buffer.concat([head, text])
}
