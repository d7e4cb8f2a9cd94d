import { hash } from 'node:crypto'
import { digestFrom } from '../model/digest.ts'
import type { Relocation } from '../model/relocation.ts'
import { applyToChunk, applyToWhole } from '../relocate/apply.ts'
import { type Left, leftBy, planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import type { ExtractReport, Target } from './protocol.ts'
import type { Piece } from './work-list.ts'

/** It is read once for all pieces of a file that come in a row, which have the same key. */
export interface StoredRelocation {
  key: unknown
  read(): Relocation
}

/** Relocates pieces of files in memory, and notes what can't be relocated. */
export class Relocator {
  readonly report: ExtractReport = { left: [], digests: [] }
  readonly #target: Pick<Target, 'from' | 'to'>
  readonly #mayEdit: boolean
  /** The plan for the last file: the next piece may belong to the same one. */
  #known: { key: unknown; left: Left | undefined; plan: RelocationPlan } | undefined

  /** @param options.mayEdit the content may be changed in place */
  constructor(target: Pick<Target, 'from' | 'to'>, { mayEdit }: { mayEdit: boolean }) {
    this.#target = target
    this.#mayEdit = mayEdit
  }

  /** What replaces the prefix in a file; undefined: nothing does. */
  planOf({ path }: Pick<Piece, 'path'>, found: StoredRelocation | undefined): RelocationPlan | undefined {
    const { from, to } = this.#target
    if (found === undefined || to === undefined) return undefined
    if (this.#known?.key !== found.key) {
      const relocation = found.read()
      const plan = planRelocation(relocation, { path }, from, to)
      this.#known = { key: found.key, left: leftBy(plan, relocation), plan }
    }
    return this.#known!.plan
  }

  /** Notes what can't be relocated in the file that was planned last. */
  noteLeft({ path }: Pick<Piece, 'path'>): void {
    const left = this.#known?.left
    if (left) this.report.left.push({ path, ...left })
  }

  /**
   * Gives the piece's bytes in the stage: `data` itself if they are the same. A large file in which bytes move is left as it is
   * here, and rewritten when all its pieces are there.
   */
  relocate(
    data: Buffer,
    { path, contentOffset, length, fileSize }: Pick<Piece, 'path' | 'contentOffset' | 'length' | 'fileSize'>,
    found: StoredRelocation | undefined,
  ): Buffer {
    const plan = this.planOf({ path }, found)
    if (plan === undefined) return data
    if (contentOffset === 0) this.noteLeft({ path })
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
