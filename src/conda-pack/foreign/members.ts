import type { FileHandle } from 'node:fs/promises'
import { Malformed } from '../../archive/read/malformed.ts'
import type { Member } from '../../archive/read/member.ts'
import { tarMembers } from '../../archive/read/tar-members.ts'
import { zipMembers } from '../../archive/read/zip-members.ts'
import { type Compression, decompressed } from './decompress.ts'

export type ForeignKind = Compression | 'zip'

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
 * Gives all members in order. The handle stays open.
 * @throws Malformed, also for an archive that was made to unpack to far more than it holds; NoTar; what the libraries throw
 */
export async function* membersOf(handle: FileHandle, kind: ForeignKind): AsyncGenerator<Member> {
  const budget = new Budget((await handle.stat()).size)
  const members = kind === 'zip' ? zipMembers(handle) : tarMembers(budget.watched(decompressed(handle, kind)))
  for await (const member of members) {
    budget.take(member)
    yield member
  }
}

/** Members of one archive, and bytes of all their paths together: ten times the largest environment that we know of. */
const MOST_MEMBERS = 5_000_000
const MOST_PATH_BYTES = 512 * 1024 * 1024
/** An archive that unpacks to more than this may not be this many times larger than its file. */
const ENOUGH_BYTES = 16 * 1024 ** 3
const MOST_GROWTH = 250

/** What an archive may take of time and memory. It says itself what it holds, and that is found here before it is unpacked. */
class Budget {
  readonly #most: number
  #members = 0
  #pathBytes = 0
  #bytes = 0

  constructor(fileSize: number) {
    this.#most = Math.max(ENOUGH_BYTES, fileSize * MOST_GROWTH)
  }

  take({ path, target, size }: Member): void {
    this.#members++
    this.#pathBytes += path.length + target.length
    this.#bytes += size
    if (this.#bytes > this.#most)
      throw new Malformed(`brings it to ${this.#bytes} bytes, far more than its file holds`, path)
    if (this.#members > MOST_MEMBERS || this.#pathBytes > MOST_PATH_BYTES)
      throw new Malformed('it has more members than any environment')
  }

  async *watched(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0
    for await (const piece of source) {
      bytes += piece.length
      // Headers that belong to no member have no end, either.
      if (bytes > 2 * this.#most) throw new Malformed(`it unpacks to more than ${this.#most} bytes`)
      yield piece
    }
  }
}
