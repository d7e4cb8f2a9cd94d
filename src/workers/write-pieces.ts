import { hash } from 'node:crypto'
import { closeSync, constants, fchmodSync, ftruncateSync, futimesSync, openSync } from 'node:fs'
import { fsPath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { Relocation } from '../model/relocation.ts'
import { accessTime, asTime } from '../model/times.ts'
import { writeSparse } from '../platform/write-sparse.ts'
import { applyToChunk, applyToWhole } from '../relocate/apply.ts'
import { type Left, leftBy, planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import type { ExtractReport, Target } from './protocol.ts'
import type { Piece } from './work-list.ts'

/** A piece's relocation, if it has one. It is read once for all pieces of a file that come in a row, which have the same key. */
export type RelocationOf<P> = (piece: P) => { key: unknown; read(): Relocation } | undefined

type PlainPiece = Omit<Piece, 'relocation' | 'frame'>

/** Writes pieces of files, relocated in memory, each byte once. */
export class PieceWriter<P extends PlainPiece> {
  readonly report: ExtractReport = { left: [], digests: [] }
  readonly #target: Target
  readonly #relocationOf: RelocationOf<P>
  readonly #mayEdit: boolean
  /** The plan for the last file: the next piece may belong to the same one. */
  #known: { key: unknown; left: Left | undefined; plan: RelocationPlan } | undefined

  /** @param options.mayEdit the content may be changed in place */
  constructor(target: Target, relocationOf: RelocationOf<P>, { mayEdit }: { mayEdit: boolean }) {
    this.#target = target
    this.#relocationOf = relocationOf
    this.#mayEdit = mayEdit
  }

  /** @param content uncompressed bytes of the piece's frame */
  write(content: Buffer, piece: P): void {
    const data = content.subarray(piece.frameOffset, piece.frameOffset + piece.length)
    const relocated = this.#relocate(data, piece)
    if (piece.length === piece.fileSize) writeWhole(relocated, piece, this.#target)
    else writePart(relocated, piece, this.#target)
  }

  /** A large file in which bytes move is left as it is here, and rewritten when all its pieces are there. */
  #relocate(data: Buffer, piece: P): Buffer {
    const found = this.#relocationOf(piece)
    if (found === undefined) return data
    const { path, contentOffset, length, fileSize } = piece
    if (this.#known?.key !== found.key) {
      const relocation = found.read()
      const plan = planRelocation(relocation, { path }, this.#target.from, this.#target.to)
      this.#known = { key: found.key, left: leftBy(plan, relocation), plan }
    }
    const { left, plan } = this.#known!
    if (left && contentOffset === 0) this.report.left.push({ path, ...left })
    if (plan.edits.length === 0) return data
    if (plan.sameLength) {
      const edited = this.#mayEdit ? data : Buffer.from(data)
      applyToChunk(edited, contentOffset, plan)
      return edited
    }
    if (length < fileSize) return data
    const relocated = applyToWhole(data, plan)
    this.report.digests.push([path, digestFrom(hash('sha256', relocated, 'hex'))])
    return relocated
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
