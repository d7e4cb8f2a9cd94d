import type { BytePath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'

/** A file to write, or one piece of a file that spans several frames. */
export interface Piece {
  path: BytePath
  /** Permission bits of the staged file. */
  mode: number
  /** Seconds, as utimes takes them. */
  mtime: number
  /** Bytes of the whole file. */
  fileSize: number
  /** Where the piece begins in the file. */
  contentOffset: number
  frame: number
  /** Where the piece begins in the frame's uncompressed bytes. */
  frameOffset: number
  /** Bytes of the piece. */
  length: number
  relocation?: Relocation
}

/** A piece as a worker gets it. Its relocation is read apart, since it may be large and all pieces of a file share it. */
export type StoredPiece = Omit<Piece, 'relocation'> & {
  /** Where `relocationOf` finds the relocation, if there is one. */
  relocation: { at: number; length: number } | undefined
}

/**
 * The pieces of all frames, in memory that all workers share. Sending 300,000 objects by structured clone takes over a second
 * for each worker; this takes no time, and each worker decodes only its own frames.
 */
export interface WorkList {
  /** FIELDS numbers for each piece, in order of frame. */
  numbers: Float64Array<SharedArrayBuffer>
  /** Number of each frame's first piece, and behind the last frame the number of pieces. */
  starts: Uint32Array<SharedArrayBuffer>
  /** Paths and relocations. */
  bytes: Uint8Array<SharedArrayBuffer>
}

const FIELDS = 10

/**
 * @param pieces in any order
 * @param frames how many there are
 */
export function encodeWorkList(pieces: readonly Piece[], frames: number): WorkList {
  const sorted = pieces.toSorted((a, b) => a.frame - b.frame)
  const starts = new Uint32Array(new SharedArrayBuffer((frames + 1) * 4))
  for (const { frame } of sorted) starts[frame + 1]!++
  for (let frame = 0; frame < frames; frame++) starts[frame + 1]! += starts[frame]!
  const relocations = relocationTexts(sorted)
  let size = 0
  for (const { path } of sorted) size += path.length
  for (const { text } of relocations.values()) size += text.length
  const bytes = Buffer.from(new SharedArrayBuffer(size))
  let used = 0
  for (const stored of relocations.values()) {
    stored.at = used
    used += bytes.write(stored.text, used, 'latin1')
  }
  const numbers = new Float64Array(new SharedArrayBuffer(sorted.length * FIELDS * 8))
  for (const [index, piece] of sorted.entries()) {
    const { path, mode, mtime, fileSize, contentOffset, frameOffset, length } = piece
    const { at = 0, text = '' } = (piece.relocation && relocations.get(piece.relocation)) ?? {}
    const row = [used, path.length, at, text.length, mode, mtime, fileSize, contentOffset, frameOffset, length]
    numbers.set(row, index * FIELDS)
    used += bytes.write(path, used, 'latin1')
  }
  return { numbers, starts, bytes: new Uint8Array(bytes.buffer) }
}

/** One for each file, as JSON in ASCII: its length in characters is its length in bytes. */
function relocationTexts(pieces: readonly Piece[]): Map<Relocation, { text: string; at: number }> {
  const texts = new Map<Relocation, { text: string; at: number }>()
  for (const { relocation } of pieces) {
    if (relocation === undefined || texts.has(relocation)) continue
    const text = JSON.stringify(relocation).replace(/[\u0080-\uffff]/g, escaped)
    texts.set(relocation, { text, at: 0 })
  }
  return texts
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

export function* piecesOf({ numbers, starts, bytes }: WorkList, frame: number): Generator<StoredPiece> {
  const text = Buffer.from(bytes.buffer)
  for (let index = starts[frame]!; index < starts[frame + 1]!; index++) {
    const row = numbers.subarray(index * FIELDS, (index + 1) * FIELDS) as unknown as Row
    const [pathAt, pathLength, at, relocationLength, mode, mtime, fileSize, contentOffset, frameOffset, length] = row
    const path = text.toString('latin1', pathAt, pathAt + pathLength)
    const relocation = relocationLength > 0 ? { at, length: relocationLength } : undefined
    yield { path, mode, mtime, fileSize, contentOffset, frame, frameOffset, length, relocation }
  }
}

type Row = [number, number, number, number, number, number, number, number, number, number]

export function relocationOf({ bytes }: WorkList, { at, length }: { at: number; length: number }): Relocation {
  return JSON.parse(Buffer.from(bytes.buffer).toString('latin1', at, at + length))
}
