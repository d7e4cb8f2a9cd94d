import { createHash } from 'node:crypto'
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs'
import { fsPath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'
import { asTime } from '../model/times.ts'
import { applyToChunk, applyToWhole } from '../relocate/apply.ts'
import { type Left, leftBy, planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import type { ExtractReport, Target } from './protocol.ts'
import type { Piece } from './work-list.ts'

/** Where a piece's relocation is: read only where there is one, and once for all pieces of a file that come in a row. */
export type RelocationOf<P> = (piece: P) => { key: unknown; read(): Relocation } | undefined

type Place = Omit<Piece, 'relocation' | 'frame'>

/** Writes pieces of files, relocated in memory, each byte once. */
export class PieceWriter<P extends Place> {
  readonly report: ExtractReport = { left: [], digests: [] }
  readonly #target: Target
  readonly #relocationOf: RelocationOf<P>
  readonly #mayEdit: boolean
  /** Of the last file, since the next piece may be of the same one. */
  #known: { key: unknown; left: Left | undefined; plan: RelocationPlan } | undefined

  /** `mayEdit`: the content may be changed in place. */
  constructor(target: Target, relocationOf: RelocationOf<P>, { mayEdit }: { mayEdit: boolean }) {
    this.#target = target
    this.#relocationOf = relocationOf
    this.#mayEdit = mayEdit
  }

  /** @param content uncompressed bytes of the frame that the piece is in */
  write(content: Buffer, piece: P): void {
    const data = content.subarray(piece.frameOffset, piece.frameOffset + piece.length)
    const relocated = this.#relocate(data, piece)
    if (piece.length === piece.fileSize) writeWhole(relocated, piece, this.#target)
    else writePart(relocated, piece, this.#target)
  }

  /** Large files in which something moves stay as they are here: they are rewritten when all their pieces are there. */
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
    this.report.digests.push([path, createHash('sha256').update(relocated).digest('hex').slice(0, 32)])
    return relocated
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const SET_ID = 0o6000

/** open, write, futimens, close. O_EXCL never follows a link that somebody else put there. */
function writeWhole(data: Buffer, { path, mode, mtime }: Place, { root, umask }: Target): void {
  const fd = openSync(fsPath(root, path), CREATE, mode)
  try {
    writeAll(fd, data, null)
    // What the umask took away, and the bits that writing takes away.
    if ((mode & (umask | SET_ID)) !== 0) fchmodSync(fd, mode)
    futimesSync(fd, asTime(mtime), asTime(mtime))
  } finally {
    closeSync(fd)
  }
}

/** Into the file that the main thread has made, and that it finishes when all pieces are there. */
function writePart(data: Buffer, { path, contentOffset }: Place, { root }: Target): void {
  const fd = openSync(fsPath(root, path), constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    writeAll(fd, data, contentOffset)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, data: Buffer, position: number | null): void {
  for (let done = 0; done < data.length; )
    done += writeSync(fd, data, done, data.length - done, position === null ? null : position + done)
}
