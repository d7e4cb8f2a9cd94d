import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import { type Entry, fromFd, type ZipFile } from 'yauzl'
import { type BytePath, bytePathOf } from '../../model/byte-path.ts'
import { programFailed } from '../bzip2.ts'

/** A member of an archive that another program wrote, in any format. */
export interface ForeignMember {
  /** As in the archive, but without './' in front and slashes at the end. */
  path: BytePath
  type: 'file' | 'directory' | 'symlink' | 'hardlink'
  mode: number
  mtimeNs: bigint
  /** Of a file, in bytes. */
  size: number
  /** Of a link. */
  target: BytePath
  /** Can be read until the next member is asked for. */
  content: AsyncIterable<Buffer>
}

export type ForeignKind = 'tar' | 'tar.gz' | 'tar.zst' | 'tar.bz2' | 'tar.xz' | 'zip'

/** Goes by the file's first bytes; undefined for any other kind of file. */
export async function kindOfArchive(handle: FileHandle): Promise<ForeignKind | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0)
  const start = buffer.toString('latin1', 0, bytesRead)
  if (start.startsWith('PK\x03\x04')) return 'zip'
  if (start.startsWith('\x1f\x8b')) return 'tar.gz'
  if (start.startsWith('\x28\xb5\x2f\xfd')) return 'tar.zst'
  if (start.startsWith('BZh')) return 'tar.bz2'
  if (start.startsWith('\xfd7zXZ\0')) return 'tar.xz'
  return start.startsWith('ustar', 257) ? 'tar' : undefined
}

/**
 * Gives all members in order, except devices and the like. The handle stays open.
 * Throws what the libraries that read tar and zip throw.
 */
export function membersOf(handle: FileHandle, kind: ForeignKind): AsyncGenerator<ForeignMember> {
  return kind === 'zip' ? zipMembers(handle) : tarMembers(handle, kind)
}

/** Keeps names as bytes. The types lack this option. */
const LATIN1 = { filenameEncoding: 'latin1' } as object

async function* tarMembers(handle: FileHandle, kind: Exclude<ForeignKind, 'zip'>): AsyncGenerator<ForeignMember> {
  const entries = extract(LATIN1)
  // If the source fails, the loop below ends with the same error.
  const flow = pipeline(bytesOfFile(handle), DECOMPRESS[kind](), entries)
  flow.catch(() => {})
  try {
    for await (const entry of entries) {
      const member = tarMember(entry.header, entry as unknown as AsyncIterable<Buffer>)
      if (member !== undefined) yield member
      entry.resume()
    }
    await flow
  } finally {
    entries.destroy()
    await flow.catch(() => {})
  }
}

const DECOMPRESS = {
  tar: () => new PassThrough(),
  'tar.gz': () => createGunzip(),
  'tar.zst': () => createZstdDecompress(),
  'tar.bz2': () => through('bzip2'),
  'tar.xz': () => through('xz'),
}

/** Decompresses with a program of the system's. */
const through = (program: string) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'] })
    const ended = once(child, 'close').catch((error) => Promise.reject(programFailed(program, error)))
    ended.catch(() => {})
    // Whatever closes this pipe also ends the program.
    pipeline(source, child.stdin).catch(() => {})
    try {
      yield* child.stdout
      const [code, stoppedBy] = await ended
      if (code !== 0) throw new Error(`${program} ended with ${code ?? stoppedBy}`)
    } finally {
      child.kill()
    }
  }

/** Node's own stream would close the file. */
async function* bytesOfFile(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(1024 * 1024), 0, 1024 * 1024, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

function tarMember(header: Header, content: AsyncIterable<Buffer>) {
  const { name, linkname, size = 0, mode = 0, mtime } = header
  const pax = header.pax as Record<string, string> | undefined
  const types: Record<string, ForeignMember['type']> = {
    file: 'file',
    'contiguous-file': 'file',
    directory: 'directory',
    symlink: 'symlink',
    // conda-pack writes some hard links with their content.
    link: size > 0 ? 'file' : 'hardlink',
  }
  const type = types[header.type ?? '']
  if (type === undefined) return undefined
  return {
    // tar-stream has decoded the pax header from UTF-8.
    path: trimmed(pax?.path === undefined ? name : bytePathOf(pax.path)),
    type,
    mode: mode & 0o7777,
    mtimeNs: pax?.mtime === undefined ? BigInt(mtime?.getTime() ?? 0) * 1_000_000n : nanoseconds(pax.mtime),
    size: type === 'file' ? size : 0,
    target: pax?.linkpath === undefined ? (linkname ?? '') : bytePathOf(pax.linkpath),
    content,
  }
}

async function* zipMembers(handle: FileHandle): AsyncGenerator<ForeignMember> {
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false } as const
    fromFd(handle.fd, options, (error, file) => (error ? reject(error) : resolve(file)))
  })
  for (;;) {
    const entry = await nextEntry(zip)
    if (entry === undefined) return
    yield await zipMember(zip, entry)
  }
}

function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    zip.removeAllListeners()
    zip.once('entry', resolve)
    zip.once('end', () => resolve(undefined))
    zip.once('error', reject)
    zip.readEntry()
  })
}

async function zipMember(zip: ZipFile, entry: Entry): Promise<ForeignMember> {
  const name = (entry.fileName as unknown as Buffer).toString('latin1')
  const mode = entry.externalFileAttributes >>> 16
  const isLink = (mode & 0o170000) === 0o120000
  const content = contentOf(zip, entry)
  return {
    path: trimmed(name),
    type: isLink ? 'symlink' : name.endsWith('/') ? 'directory' : 'file',
    mode: mode & 0o7777 || 0o644,
    mtimeNs: BigInt(entry.getLastModDate().getTime()) * 1_000_000n,
    size: isLink ? 0 : entry.uncompressedSize,
    target: isLink ? (await gathered(content)).toString('latin1') : '',
    content,
  }
}

async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  const stream = await new Promise<Readable>((resolve, reject) =>
    zip.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened))),
  )
  yield* stream
}

export async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

const trimmed = (name: BytePath): BytePath =>
  name
    .replace(/^(\.\/+)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '')

/** Reads decimal seconds. */
function nanoseconds(seconds: string): bigint {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(seconds) ?? ['', '', '0']
  const absolute = BigInt(whole!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
  return sign === '-' ? -absolute : absolute
}
