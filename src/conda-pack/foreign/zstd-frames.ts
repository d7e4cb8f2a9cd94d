import { ByteReader } from '../../archive/read/byte-reader.ts'
import { Malformed } from '../../archive/read/malformed.ts'

/**
 * Gives the same bytes, and follows them from frame to frame (RFC 8878). Node's decompressor ends without a word at the first
 * bytes that are no frame, and at the beginning of a frame that is cut off.
 * @throws Malformed if the bytes are anything but whole frames
 */
export async function* wholeZstdFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source)
  try {
    for (;;) {
      const magic = await reader.exactly(4)
      if (magic.length === 0) return
      yield magic
      const number = magic.length < 4 ? 0 : magic.readUInt32LE(0)
      if (number === FRAME) yield* restOfFrame(reader)
      else if ((number & SKIPPABLE_MASK) >>> 0 === SKIPPABLE) yield* restOfSkippable(reader)
      else throw new Malformed('something follows its end')
    }
  } finally {
    await reader.end()
  }
}

const FRAME = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const SKIPPABLE_MASK = 0xfffffff0
const [RLE, RESERVED] = [1, 3]

async function* restOfFrame(reader: ByteReader): AsyncGenerator<Buffer> {
  const descriptor = await whole(reader, 1)
  yield descriptor
  const flags = descriptor[0]!
  const isSingleSegment = (flags & 0x20) !== 0
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6]!
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!
  yield await whole(reader, (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes)
  for (let isLast = false; !isLast; ) {
    const header = await whole(reader, 3)
    yield header
    const bits = header.readUIntLE(0, 3)
    isLast = (bits & 1) === 1
    const type = (bits >> 1) & 3
    if (type === RESERVED) throw new Malformed('it has a block of no known type')
    yield await whole(reader, type === RLE ? 1 : bits >> 3)
  }
  const hasChecksum = (flags & 4) !== 0
  if (hasChecksum) yield await whole(reader, 4)
}

async function* restOfSkippable(reader: ByteReader): AsyncGenerator<Buffer> {
  const size = await whole(reader, 4)
  yield size
  for (let left = size.readUInt32LE(0); left > 0; ) {
    const piece = await reader.some(left)
    if (piece.length === 0) throw cut()
    left -= piece.length
    yield piece
  }
}

async function whole(reader: ByteReader, size: number): Promise<Buffer> {
  const bytes = await reader.exactly(size)
  if (bytes.length < size) throw cut()
  return bytes
}

const cut = (): Malformed => new Malformed('its end is missing')
