import { hash } from 'node:crypto'
import type { TarWriter } from '../archive/write/member-writer.ts'
import type { ArchivedEntry, ArchiveIndex, Relocated } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { Entry, FileEntry } from '../model/entry.ts'
import type { Facts } from '../model/item.ts'
import type { Relocation } from '../model/relocation.ts'
import { applyToChunk, applyToWhole } from '../relocate/apply.ts'
import { leftBy, planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import { relocateLink } from '../relocate/symlink.ts'
import { stagedModes } from '../stage/modes.ts'
import { type AddedEntry, HISTORY, OWNER_WRITES } from '../stage/own-files.ts'
import type { LeftFile } from '../workers/protocol.ts'

export interface RelocatedOptions {
  index: ArchiveIndex
  relocated: Relocated
  /** What conda-stage adds to a copy. */
  added: readonly AddedEntry[]
  /** Called for each file that still names the original. */
  onLeft(file: LeftFile): void
}

/**
 * The members of a read-only copy, relocated, in place of those of the original: what an extracted copy at `relocated.prefix` would
 * have. Digests of files that were relocated at another length are noted in `relocated`.
 */
export class RelocatedMembers implements TarWriter {
  /** What has been packed. */
  readonly packed: ArchivedEntry[] = []
  readonly #inner: TarWriter
  readonly #options: RelocatedOptions
  readonly #relocations: ReadonlyMap<BytePath, Relocation>
  readonly #modes = stagedModes(true)
  #plan: RelocationPlan | undefined
  #at = 0
  /** A file in which bytes move, as far as it has come: its header states its size. */
  #moving: { entry: FileEntry; plan: RelocationPlan; chunks: Buffer[] } | undefined

  constructor(inner: TarWriter, options: RelocatedOptions) {
    this.#inner = inner
    this.#options = options
    this.#relocations = new Map(
      options.index.entries.flatMap((entry) =>
        entry.type === 'file' && entry.relocation ? [[entry.path, entry.relocation] as const] : [],
      ),
    )
  }

  get frames() {
    return this.#inner.frames
  }

  async beginFile(original: FileEntry, how: { beside: boolean }): Promise<{ frame: number; offset: number }> {
    const { index, relocated, onLeft } = this.#options
    const { path } = original
    const mode = this.#modes.file(original.mode) | (path === HISTORY ? OWNER_WRITES : 0)
    const entry = { ...original, mode }
    const relocation = this.#relocations.get(path)
    const plan = relocation && planRelocation(relocation, entry, index.prefixes, relocated.prefix)
    const left = plan && leftBy(plan, relocation!)
    if (left) onLeft({ path, ...left })
    this.#at = 0
    this.#plan = plan?.sameLength && plan.edits.length > 0 ? plan : undefined
    this.#moving = plan && !plan.sameLength ? { entry, plan, chunks: [] } : undefined
    return this.#moving ? { frame: 0, offset: 0 } : await this.#begin(entry, how)
  }

  async append(data: Buffer): Promise<void> {
    if (this.#moving) {
      this.#moving.chunks.push(Buffer.from(data))
      return
    }
    if (this.#plan === undefined) return await this.#inner.append(data)
    // The digests of the contents are those of the original.
    const edited = Buffer.from(data)
    applyToChunk(edited, this.#at, this.#plan)
    this.#at += data.length
    await this.#inner.append(edited)
  }

  async endFile(facts: Facts): Promise<void> {
    if (this.#moving) {
      const { entry, plan, chunks } = this.#moving
      const data = applyToWhole(Buffer.concat(chunks), plan)
      this.#options.relocated.digests[entry.path] = digestFrom(hash('sha256', data, 'hex'))
      this.#moving = undefined
      await this.#begin({ ...entry, size: data.length }, { beside: false })
      await this.#inner.append(data)
    }
    await this.#inner.endFile(facts)
  }

  async add(entry: Exclude<Entry, FileEntry>): Promise<void> {
    const { index, relocated } = this.#options
    if (entry.type === 'symlink')
      await this.#put({ ...entry, target: relocateLink(entry, index.prefixes, relocated.prefix) })
    else if (entry.type === 'directory') await this.#put({ ...entry, mode: this.#modes.folder(entry.mode) })
    else await this.#put({ ...entry, mode: this.#modes.file(entry.mode) })
  }

  async #put(entry: Exclude<Entry, FileEntry>): Promise<void> {
    this.packed.push(entry)
    await this.#inner.add(entry)
  }

  async #begin(entry: FileEntry, how: { beside: boolean }): Promise<{ frame: number; offset: number }> {
    this.packed.push({ ...entry, frame: 0, frameOffset: 0, digest: '' })
    return await this.#inner.beginFile(entry, how)
  }

  takeOver(): Promise<void> {
    throw new TypeError('frames of another archive are not relocated')
  }

  addPacked(): Promise<number> {
    throw new TypeError('packed frames are not relocated')
  }

  async endFiles(): Promise<void> {
    for (const entry of this.#options.added) {
      if (entry.type === 'directory') await this.#put(entry)
      else {
        await this.#begin(entry, { beside: true })
        await this.#inner.append(entry.content)
        await this.#inner.endFile({ digest: '' })
      }
    }
    await this.#inner.endFiles()
  }

  finish(): Promise<number> {
    return this.#inner.finish()
  }

  closing(indexOffset: number, indexSize: number): Buffer {
    return this.#inner.closing(indexOffset, indexSize)
  }

  settle(): Promise<void> {
    return this.#inner.settle()
  }
}
