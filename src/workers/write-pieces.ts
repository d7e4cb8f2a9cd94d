import { closeSync, constants, fchmodSync, ftruncateSync, futimesSync, openSync } from 'node:fs'
import { fsPath } from '../model/byte-path.ts'
import { accessTime, asTime } from '../model/times.ts'
import { writeSparse } from '../platform/write-sparse.ts'
import type { ExtractReport, Target } from './protocol.ts'
import { Relocator, type StoredRelocation } from './relocator.ts'
import { FileTaker, readTaken, type Taken } from './take-file.ts'
import type { Piece } from './work-list.ts'

/** A piece's relocation, if it has one. */
export type RelocationOf<P> = (piece: P) => StoredRelocation | undefined

type PlainPiece = Omit<Piece, 'relocation' | 'frame' | 'equal'>

/** Writes pieces of files, relocated in memory, each byte once. */
export class PieceWriter<P extends PlainPiece> {
  readonly #target: Target
  readonly #relocationOf: RelocationOf<P>
  readonly #relocator: Relocator
  readonly #taker: FileTaker

  /** @param options.mayEdit the content may be changed in place */
  constructor(target: Target, relocationOf: RelocationOf<P>, { mayEdit }: { mayEdit: boolean }) {
    this.#target = target
    this.#relocationOf = relocationOf
    this.#relocator = new Relocator(target, { mayEdit })
    this.#taker = new FileTaker(target.root)
  }

  get report(): ExtractReport {
    return this.#relocator.report
  }

  /**
   * Makes a whole file from the same file of another copy on this node.
   * @returns 'shared' if both have their bytes in common, 'written' if not; undefined if it can't be done: then the frame is needed
   */
  take(piece: P, taken: Taken): 'shared' | 'written' | undefined {
    const plan = this.#relocator.planOf(piece, this.#relocationOf(piece))
    if (plan?.sameLength === false) return undefined
    const wanted = { path: piece.path, size: piece.fileSize, mode: piece.mode, mtime: piece.mtime }
    if (this.#taker.take(taken, wanted, plan)) {
      if (plan) this.#relocator.noteLeft(piece)
      return 'shared'
    }
    const content = readTaken(taken, piece.fileSize)
    if (content === undefined) return undefined
    writeWhole(this.#relocator.relocate(content, piece, this.#relocationOf(piece)), piece, this.#target)
    return 'written'
  }

  /** @param content uncompressed bytes of the piece's frame */
  write(content: Buffer, piece: P): void {
    const data = content.subarray(piece.frameOffset, piece.frameOffset + piece.length)
    const relocated = this.#relocator.relocate(data, piece, this.#relocationOf(piece))
    if (piece.length === piece.fileSize) writeWhole(relocated, piece, this.#target)
    else writePart(relocated, piece, this.#target)
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const SET_ID = 0o6000

/** open, write, futimens, close. With O_EXCL, a link that somebody else put there is never followed. */
function writeWhole(data: Buffer, { path, mode, mtime }: PlainPiece, { root, umask }: Target): void {
  const fd = openSync(fsPath(root, path), CREATE, mode)
  try {
    if (writeSparse(fd, data, 0)) ftruncateSync(fd, data.length)
    // The umask has removed some bits, and writing removes the set-ID bits.
    if ((mode & (umask | SET_ID)) !== 0) fchmodSync(fd, mode)
    futimesSync(fd, accessTime(), asTime(mtime))
  } finally {
    closeSync(fd)
  }
}

/** Writes into a file that the main thread has made and will finish when all pieces are there. */
function writePart(data: Buffer, { path, contentOffset }: PlainPiece, { root }: Target): void {
  const fd = openSync(fsPath(root, path), constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    writeSparse(fd, data, contentOffset)
  } finally {
    closeSync(fd)
  }
}
