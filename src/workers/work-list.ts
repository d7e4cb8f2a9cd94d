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
  /** The file of another copy that it may be made from, if it is whole. */
  equal?: EqualPlace
}

export interface EqualPlace {
  /** Number of the copy. */
  copy: number
  path: BytePath
  /** Seconds, as utimes takes them. */
  mtime: number
  /** Mode and time are the same, too. */
  isTwin: boolean
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

const FIELDS = 15

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
  for (const { path, equal } of sorted) size += path.length + pathElsewhere(path, equal).length
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
    // One by one: an array for each row takes ten times as long.
    let field = index * FIELDS
    numbers[field++] = used
    numbers[field++] = path.length
    numbers[field++] = at
    numbers[field++] = text.length
    numbers[field++] = mode
    numbers[field++] = mtime
    numbers[field++] = fileSize
    numbers[field++] = contentOffset
    numbers[field++] = frameOffset
    numbers[field++] = length
    used += bytes.write(path, used, 'latin1')
    const { equal } = piece
    if (equal === undefined) continue
    const elsewhere = pathElsewhere(path, equal)
    numbers[field++] = equal.copy + 1
    numbers[field++] = used
    numbers[field++] = elsewhere.length
    numbers[field++] = equal.mtime
    numbers[field++] = Number(equal.isTwin)
    used += bytes.write(elsewhere, used, 'latin1')
  }
  return { numbers, starts, bytes: new Uint8Array(bytes.buffer) }
}

/** Nearly all have the same path in both copies. */
const pathElsewhere = (path: BytePath, equal: EqualPlace | undefined): BytePath =>
  equal === undefined || equal.path === path ? '' : equal.path

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
    const [copy, elsewhereAt, elsewhereLength, equalMtime, isTwin] = row.slice(10) as unknown as EqualRow
    const path = text.toString('latin1', pathAt, pathAt + pathLength)
    const relocation = relocationLength > 0 ? { at, length: relocationLength } : undefined
    const elsewhere = elsewhereLength > 0 ? text.toString('latin1', elsewhereAt, elsewhereAt + elsewhereLength) : path
    const equal = { copy: copy - 1, path: elsewhere, mtime: equalMtime, isTwin: isTwin === 1 }
    const place = { path, mode, mtime, fileSize, contentOffset, frame, frameOffset, length }
    yield { ...place, relocation, ...(copy > 0 && { equal }) }
  }
}

type Row = [number, number, number, number, number, number, number, number, number, number]
type EqualRow = [number, number, number, number, number]

/** Whether something in a frame can only be had from the archive. */
export function needsFrame({ numbers, starts }: WorkList, frame: number): boolean {
  for (let index = starts[frame]!; index < starts[frame + 1]!; index++)
    if (numbers[index * FIELDS + COPY] === 0 && numbers[index * FIELDS + FILE_SIZE]! > 0) return true
  return false
}

const FILE_SIZE = 6
const COPY = 10

export function relocationOf({ bytes }: WorkList, { at, length }: { at: number; length: number }): Relocation {
  return JSON.parse(Buffer.from(bytes.buffer).toString('latin1', at, at + length))
}
