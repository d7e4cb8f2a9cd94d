import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { StageError } from '../../errors.ts'
import type { ArchiveHead, ArchiveIndex, Frame } from '../../model/archive-index.ts'
import { Malformed } from '../read/malformed.ts'
import { tarMembers } from '../read/tar-members.ts'
import { zipMembers } from '../read/zip-members.ts'
import { decodeFrame, readHead, readStored } from '../reader.ts'
import { Contents } from './contents.ts'
import type { ArchiveFinding, Report } from './finding.ts'
import { type Beside, OtherPrograms } from './other-programs.ts'

export interface VerifyArchiveOptions {
  path: string
  /** Open for reading; it stays open. */
  handle: FileHandle
  /** From `readIndex`: it is checked in itself. */
  index: ArchiveIndex
  /** Program and version that verify. */
  generator: string
  /** Members for people who unpack the archive. */
  besides: readonly Beside[]
  onChecked?: ((files: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Reads all of an archive, and compares what it holds with its index: checksums, digests, places of the prefix, and what
 * other programs would unpack.
 * @throws StageError CANCELLED; what reading a file throws
 */
export async function verifyArchive(options: VerifyArchiveOptions): Promise<ArchiveFinding[]> {
  const { path, handle, index, generator, besides } = options
  const findings: ArchiveFinding[] = []
  const report: Report = (finding) => findings.push({ harmless: false, ...finding })
  compareHead(await readHead(path, handle), index, report)
  if (index.format === 'sqfs') {
    // What is in an image, and what the kernel makes of it, is for whoever can read squashfs.
    await new Frames(options, undefined, report).finish()
    return findings
  }
  const contents = new Contents(index, { report, generator })
  const frames = new Frames(options, contents, report)
  const others = new OtherPrograms(index, { report, besides })
  try {
    const members = index.format === 'zip' ? zipMembers(handle) : tarMembers(frames.contents())
    for await (const member of members) await others.member(member)
    await others.finish()
  } catch (error) {
    if (isExpected(error)) throw error
    // Behind a frame that is lost, nothing can be said about members.
    if (!frames.isDamaged)
      report({ path: '', kind: 'member', why: `other programs can't unpack it: ${(error as Error).message}` })
  }
  await frames.finish()
  contents.finish()
  return findings
}

/** Errors that tell nothing about the archive. Whatever else readers of tar and zip throw does. */
const isExpected = (error: unknown): boolean =>
  error instanceof StageError ||
  (!(error instanceof Malformed) && (error as NodeJS.ErrnoException).syscall !== undefined)

/** The quick check goes by these, and not by the entries. */
function compareHead({ watched, spotChecks }: ArchiveHead, { entries }: ArchiveIndex, report: Report): void {
  const known = new Map(entries.map((entry) => [entry.path, entry]))
  for (const { path, type, mode, size, mtimeNs } of watched) {
    const entry = known.get(path)
    const file = entry?.type === 'hardlink' ? known.get(entry.target) : entry
    const facts = { directory: 0, file: 0, symlink: 0, ...sizeOf(file) }
    if (
      file === undefined ||
      entry === undefined ||
      file.type !== type ||
      facts[type] !== size ||
      entry.mode !== mode ||
      entry.mtimeNs !== mtimeNs
    )
      report({ path, kind: 'archive', why: 'is watched by facts that differ from those in the index' })
  }
  const seen = new Set(watched.map(({ path }) => path))
  for (const path of spotChecks)
    if (!seen.has(path)) report({ path, kind: 'archive', why: 'is to be watched, but the index has no facts about it' })
}

const sizeOf = (entry: ArchiveIndex['entries'][number] | undefined) => {
  if (entry?.type === 'file') return { file: entry.size }
  return entry?.type === 'symlink' ? { symlink: entry.target.length } : {}
}

/** Reads the frames, each once, for the tar and for the files in it. */
class Frames {
  isDamaged = false
  readonly #options: VerifyArchiveOptions
  readonly #files: Contents | undefined
  readonly #report: Report
  #next = 0

  constructor(options: VerifyArchiveOptions, files: Contents | undefined, report: Report) {
    this.#options = options
    this.#files = files
    this.#report = report
  }

  /** Gives the bytes of the frames, up to the first that is damaged. */
  async *contents(): AsyncGenerator<Buffer> {
    while (this.#next < this.#options.index.frames.length) {
      const content = await this.#read()
      if (content === undefined) return
      yield content
    }
  }

  /** Reads the rest. */
  async finish(): Promise<void> {
    while (this.#next < this.#options.index.frames.length) await this.#read()
  }

  async #read(): Promise<Buffer | undefined> {
    const { index, signal, path, onChecked } = this.#options
    if (signal?.aborted)
      throw new StageError('CANCELLED', `Verifying ${path} was cancelled`, { path, cause: signal.reason })
    const at = this.#next++
    const content = await this.#decoded(index.frames[at]!)
    this.isDamaged ||= content === undefined
    this.#files?.take(at, content)
    if (this.#files) onChecked?.(this.#files.files)
    return content
  }

  async #decoded(frame: Frame): Promise<Buffer | undefined> {
    const { handle, path, index } = this.#options
    const part = `the frame at bytes ${frame.offset} to ${frame.offset + frame.compressedSize}`
    try {
      const stored = await readStored(handle.fd, { path }, frame)
      if (frame.storedChecksum !== undefined && crc32(stored) !== frame.storedChecksum)
        this.#report({ path: '', kind: 'frame', why: `${part} has a wrong checksum` })
      return decodeFrame(stored, { path, format: index.format }, frame)
    } catch (error) {
      if (!(error instanceof StageError) || error.code !== 'ARCHIVE_DAMAGED') throw error
      this.#report({ path: '', kind: 'frame', why: `${part} can't be read` })
      return undefined
    }
  }
}
