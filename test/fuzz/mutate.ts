import type { Random } from './random.ts'

/** Numbers at which programs tend to go wrong. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x1ff, 0x200, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]

/**
 * Changes bytes at random in one to eight ways.
 * @param others inputs from which pieces are taken; `words` that mean something in the format
 */
export function mutated(
  bytes: Buffer,
  random: Random,
  { others, words, longest }: { others: readonly Buffer[]; words: readonly string[]; longest: number },
): Buffer {
  let result: Buffer = Buffer.from(bytes)
  const place = () => random.below(result.length + 1)
  const stretch = () => {
    const from = place()
    return [from, Math.min(result.length, from + 1 + random.below(random.oneIn(4) ? 600 : 12))] as const
  }
  for (let ways = 1 + random.below(random.oneIn(3) ? 8 : 2); ways > 0; ways--) {
    switch (random.below(10)) {
      case 0:
        if (result.length > 0) result[random.below(result.length)]! ^= 1 << random.below(8)
        break
      case 1:
        if (result.length > 0) result[random.below(result.length)] = random.below(256)
        break
      case 2: {
        const [width, at, value] = [random.from([1, 2, 4, 8]), place(), random.from(EDGES)]
        if (at + width > result.length) break
        if (width === 8) result.writeBigUInt64LE(BigInt(value) << BigInt(random.from([0, 31, 32])), at)
        else if (random.oneIn(2)) result.writeUIntLE(value % 2 ** (8 * width), at, width)
        else result.writeUIntBE(value % 2 ** (8 * width), at, width)
        break
      }
      case 3: {
        // Digits, as tar and pax have them.
        const [from, to] = stretch()
        for (let at = from; at < to; at++)
          if (result[at]! >= 0x30 && result[at]! <= 0x39) result[at] = 0x30 + random.below(8)
        break
      }
      case 4: {
        const [from, to] = stretch()
        result = Buffer.concat([result.subarray(0, from), result.subarray(to)])
        break
      }
      case 5: {
        const [from, to] = stretch()
        const at = place()
        result = Buffer.concat([result.subarray(0, at), result.subarray(from, to), result.subarray(at)])
        break
      }
      case 6:
        result = withPiece(result, place(), Buffer.from(random.from(words), 'latin1'), random.oneIn(2))
        break
      case 7: {
        const other = random.from(others)
        const from = random.below(other.length + 1)
        const piece = other.subarray(from, from + 1 + random.below(random.oneIn(3) ? 2048 : 40))
        result = withPiece(result, place(), piece, random.oneIn(2))
        break
      }
      case 8: {
        // Blocks, as tar has them.
        const blocks = Math.ceil(result.length / 512)
        const [from, to] = [512 * random.below(blocks + 1), 512 * random.below(blocks + 1)]
        const block = result.subarray(from, from + 512 * (1 + random.below(3)))
        result = Buffer.concat([
          result.subarray(0, to),
          block,
          result.subarray(random.oneIn(2) ? to : to + block.length),
        ])
        break
      }
      default: {
        const [from, to] = stretch()
        result.fill(random.from([0, 0x20, 0x2f, 0xff]), from, to)
      }
    }
  }
  return result.subarray(0, longest)
}

/** Inserted, or in place of what is there. */
function withPiece(bytes: Buffer, at: number, piece: Buffer, inserts: boolean): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(inserts ? at : at + piece.length)])
}
