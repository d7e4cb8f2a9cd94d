import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { asReadFailure, damaged } from '../archive/failure.ts'
import { Malformed } from '../archive/read/malformed.ts'
import type { Source } from '../archive/reader.ts'
import type { ArchiveFinding } from '../archive/verify/finding.ts'
import type { ArchivedEntry, ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import { type BytePath, displayPath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { ArchiveItem } from '../model/item.ts'
import { imageSeconds } from '../model/times.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import { ImageContents } from './squashfs/content.ts'
import { Tables } from './squashfs/tables.ts'
import { type ImageEntry, type ImageFile, treeOf } from './squashfs/tree.ts'

/** The entries of an index, beside what stands in the image under their paths. */
export class Image {
  readonly #path: string
  readonly #index: ArchiveIndex
  readonly #tree: ReadonlyMap<BytePath, ImageEntry>
  readonly #contents: ImageContents

  /**
   * Reads what is in an image, but for the contents of files.
   * @param path for messages
   * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE
   */
  static async open(path: string, source: Source, index: ArchiveIndex): Promise<Image> {
    return await answered(path, async () => {
      const size = index.frames.reduce((sum, frame) => sum + frame.size, 0)
      const tables = await Tables.read(source, size)
      return new Image(path, index, tables, treeOf(tables))
    })
  }

  private constructor(path: string, index: ArchiveIndex, tables: Tables, tree: readonly ImageEntry[]) {
    this.#path = path
    this.#index = index
    this.#contents = new ImageContents(tables)
    this.#tree = new Map(tree.map((entry) => [entry.path, entry]))
  }

  /** What whoever mounts the image sees, and what the index does not say, or otherwise. Contents are not compared. */
  differences(): ArchiveFinding[] {
    const findings: ArchiveFinding[] = []
    const report = (path: BytePath, why: string): void =>
      void findings.push({ path, kind: 'member', why, harmless: false })
    const names = new Map<number, BytePath>()
    const known = new Set<BytePath>()
    for (const entry of this.#index.entries) {
      const found = this.#tree.get(entry.path)
      known.add(entry.path)
      const why = found === undefined ? 'is in the index, but not in the image' : this.#difference(entry, found)
      if (why !== undefined) report(entry.path, why)
      if (entry.type !== 'file' || found === undefined) continue
      const other = names.get(found.inode)
      if (other !== undefined) report(entry.path, `is another name of ${displayPath(other)} in the image`)
      names.set(found.inode, entry.path)
    }
    for (const path of this.#tree.keys()) if (!known.has(path)) report(path, 'is in the image, but not in the index')
    return findings
  }

  /**
   * Everything that the index has, files with their contents, which are compared with their digests. Consume each before you ask
   * for the next.
   * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE
   */
  async *items(): AsyncGenerator<ArchiveItem> {
    const files: ArchivedFile[] = []
    for (const entry of this.#index.entries) {
      if (entry.type === 'file') files.push(entry)
      else yield { entry }
    }
    for (const entry of this.#inOrder(files)) {
      const { digest, relocation } = entry
      const facts = { digest, ...(relocation && { relocation }) }
      yield { entry, content: { chunks: this.#content(entry), facts: () => facts } }
    }
  }

  /**
   * Which files have other bytes than were packed, or the prefix in other places.
   * @param generator program and version that verify: another one may have found other places
   */
  async contentFindings(generator: string, onChecked: (files: number) => void): Promise<ArchiveFinding[]> {
    const findings: ArchiveFinding[] = []
    let files = 0
    for (const entry of this.#inOrder(this.#index.entries.filter((one) => one.type === 'file'))) {
      const finding = await this.#wrongContent(entry, generator)
      if (finding !== undefined) findings.push({ path: entry.path, ...finding })
      onChecked(++files)
    }
    return findings
  }

  /** As the contents stand in the image. */
  #inOrder(files: ArchivedFile[]): ArchivedFile[] {
    const places = new Map(files.map((file) => [file, this.#placeOf(file.path)]))
    return files.sort((a, b) => places.get(a)! - places.get(b)!)
  }

  #placeOf(path: BytePath): number {
    const found = this.#tree.get(path)
    try {
      return found?.type === 'file' ? this.#contents.placeOf(found) : 0
    } catch {
      // Whoever reads it will hear what is wrong.
      return 0
    }
  }

  async *#content(file: ArchivedFile): AsyncGenerator<Buffer> {
    const found = this.#tree.get(file.path)
    if (found?.type !== 'file') throw damaged(this.#path, `${displayPath(file.path)} is not in it`)
    const hash = createHash('sha256')
    try {
      for await (const chunk of this.#contents.of(found)) {
        hash.update(chunk)
        yield chunk
      }
    } catch (error) {
      throw failureOf(this.#path, error)
    }
    if (digestFrom(hash.digest('hex')) !== file.digest)
      throw damaged(this.#path, `the content of ${displayPath(file.path)} is not what was packed`)
  }

  async #wrongContent(file: ArchivedFile, generator: string): Promise<Omit<ArchiveFinding, 'path'> | undefined> {
    const found = this.#tree.get(file.path)
    // Told as a difference already.
    if (found?.type !== 'file') return undefined
    const { prefixes, siblings, generator: packer } = this.#index
    const hash = createHash('sha256')
    const scanner = new PrefixScanner(prefixes, file, siblings)
    try {
      for await (const chunk of this.#contents.of(found)) {
        hash.update(chunk)
        scanner.push(chunk)
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw failureOf(this.#path, error)
      return { kind: 'content', why: `can't be read: ${error.message}`, harmless: false }
    }
    if (digestFrom(hash.digest('hex')) !== file.digest)
      return { kind: 'content', why: 'has other bytes than were packed', harmless: false }
    if (isDeepStrictEqual(scanner.finish(), file.relocation)) return undefined
    const why = `holds the prefix in other places than the index of ${displayPath(packer)} says`
    return { kind: 'relocation', why, harmless: packer !== generator }
  }

  #difference(entry: ArchivedEntry, found: ImageEntry): string | undefined {
    if (entry.type === 'hardlink') {
      const target = this.#tree.get(entry.target)
      return found.type === 'file' && target?.inode === found.inode
        ? undefined
        : `is not another name of ${displayPath(entry.target)} in the image`
    }
    // Its mode and time are the program's: mksquashfs takes none from a tar.
    if (entry.path === '' && found.type === 'directory') return undefined
    if (entry.type !== found.type) return `is a ${entry.type} in the index, and another thing in the image`
    if (entry.type === 'file' && entry.size !== (found as ImageFile).size)
      return `has ${(found as ImageFile).size} bytes in the image, and ${entry.size} in the index`
    if (entry.type === 'symlink') {
      const target = (found as { target?: BytePath }).target ?? ''
      if (target !== entry.target)
        return `leads to ${displayPath(target)} in the image, and to ${displayPath(entry.target)} in the index`
    } else if (entry.mode !== found.mode)
      return `has mode ${octal(found.mode)} in the image, and ${octal(entry.mode)} in the index`
    if (imageSeconds(entry.mtimeNs) !== found.seconds) return 'has another time in the image than in the index'
    return undefined
  }
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

async function answered<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw failureOf(path, error)
  }
}

const failureOf = (path: string, error: unknown): unknown =>
  error instanceof Malformed ? damaged(path, error.message, error) : asReadFailure(error, path)
