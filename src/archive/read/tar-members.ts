import type { BytePath } from '../../model/byte-path.ts'
import { isPossibleTime } from '../../model/times.ts'
import { ByteReader } from './byte-reader.ts'
import { Malformed } from './malformed.ts'
import { type Member, memberPath, wrongPath, wrongTarget } from './member.ts'
import { BLOCK, decodePax, decodeTarHeader, isTarHeader, isZeroBlock, type TarHeader } from './tar-header.ts'

/** The first block of a file is no header of a tar. */
export class NoTar extends Error {}

/** The most bytes of an extended header. Whatever a real one holds, a name or an attribute, is below 64 KiB. */
const EXTENDED_LIMIT = 1024 * 1024
/** The most zeros behind the end. Tools fill up to a multiple of 10 KiB, or what --blocking-factor asks for. */
const FILLING_LIMIT = 16 * 1024 * 1024
/** Eleven octal digits. Some programs write it for a size that does not fit and stands in a pax header. */
const LARGEST_OCTAL = 8 ** 11 - 1

/**
 * Gives the members of a tar in order, folders and files and links alone. It is strict: a tar that another program could take
 * for another tree, or that is not whole, is malformed.
 * @param source the bytes of the tar, uncompressed
 * @throws Malformed; NoTar; what `source` throws
 */
export async function* tarMembers(source: AsyncIterable<Buffer>): AsyncGenerator<Member> {
  const reader = new ByteReader(source)
  try {
    for (let at = 0; ; at++) {
      const header = await readHeader(reader, at === 0)
      if (header === undefined) return
      const content = new MemberContent(reader, header)
      yield memberOf(header, content, reader.position)
      await content.finish()
    }
  } finally {
    await reader.end()
  }
}

type FullHeader = Omit<TarHeader, 'seconds'> & { mtimeNs: bigint }

/** A header with all that stands in front of it. Undefined at the end of the tar. */
async function readHeader(reader: ByteReader, isFirst: boolean): Promise<FullHeader | undefined> {
  let pax: Map<string, BytePath> | undefined
  const long: { L?: BytePath; K?: BytePath } = {}
  for (;;) {
    const block = await reader.exactly(BLOCK)
    if (isFirst && reader.position <= BLOCK && !(block.length === BLOCK && (isTarHeader(block) || isZeroBlock(block))))
      throw new NoTar('its first block is not a header')
    if (block.length < BLOCK) throw new Malformed('its end is missing')
    const isExtended = pax !== undefined || 'L' in long || 'K' in long
    if (isZeroBlock(block)) {
      if (isExtended) throw new Malformed('it ends after a header that extends another')
      await assertEnd(reader)
      return undefined
    }
    const header = decodeTarHeader(block)
    if (!'xgLK'.includes(header.type)) return complete(header, pax, long)
    const extension = await readExtension(reader, header)
    if (header.type === 'g') assertHarmless(decodePax(extension))
    else if (header.type === 'x' && !isExtended) pax = decodePax(extension)
    else if ((header.type === 'L' || header.type === 'K') && pax === undefined && !(header.type in long))
      long[header.type] = extension.toString('latin1').replace(/\0.*$/s, '')
    else throw new Malformed('has a header that is extended twice', header.name)
  }
}

async function readExtension(reader: ByteReader, { name, size }: TarHeader): Promise<Buffer> {
  if (size > EXTENDED_LIMIT) throw new Malformed(`has an extended header of ${size} bytes`, name)
  const extension = await reader.exactly(size)
  if (extension.length < size || (await reader.skip(padding(size))) < padding(size))
    throw new Malformed('its end is missing')
  return extension
}

/** What a header for all members may say: nothing of one member. */
function assertHarmless(pax: ReadonlyMap<string, BytePath>): void {
  for (const keyword of pax.keys())
    if (/^(path|linkpath|size|mtime|hdrcharset|GNU\..*)$/.test(keyword))
      throw new Malformed(`it has one ${keyword} for all members`)
}

function complete(
  header: TarHeader,
  pax: ReadonlyMap<string, BytePath> | undefined,
  long: { L?: BytePath; K?: BytePath },
): FullHeader {
  const name = pax?.get('path') ?? long.L ?? header.name
  const link = pax?.get('linkpath') ?? long.K ?? header.link
  if (header.type === 'S' || [...(pax?.keys() ?? [])].some((keyword) => keyword.startsWith('GNU.sparse')))
    throw new Malformed('is a sparse file, which this program does not read', name)
  const size = sizeOf(header, pax?.get('size'), name)
  const time = pax?.get('mtime')
  const mtimeNs = time === undefined ? BigInt(header.seconds) * 1_000_000_000n : nanoseconds(time)
  if (mtimeNs === undefined || !isPossibleTime(mtimeNs)) throw new Malformed('has an impossible time', name)
  return { ...header, name, link, size, mtimeNs }
}

/** Programs that ignore the pax header must not read on at another place. */
function sizeOf({ size }: TarHeader, pax: BytePath | undefined, name: BytePath): number {
  if (pax === undefined) return size
  const stated = /^\d{1,16}$/.test(pax) ? Number(pax) : Number.NaN
  if (!Number.isSafeInteger(stated) || (size !== 0 && size !== stated && size !== LARGEST_OCTAL))
    throw new Malformed('has two sizes', name)
  return stated
}

/** Reads decimal seconds. */
function nanoseconds(seconds: string): bigint | undefined {
  const [, sign, whole, fraction = ''] = /^(-?)(\d{1,12})(?:\.(\d{0,18}))?$/.exec(seconds) ?? []
  if (whole === undefined) return undefined
  const absolute = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
  return sign === '-' ? -absolute : absolute
}

const TYPES: Readonly<Record<string, Member['type']>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
  // A file that should be in one piece.
  '7': 'file',
}

/** What else a member may be. None is in an environment. */
const STRANGERS: Readonly<Record<string, string>> = { '3': 'a device', '4': 'a device', '6': 'a FIFO' }

function memberOf(
  { name, mode, mtimeNs, size, type, link }: FullHeader,
  content: MemberContent,
  start: number,
): Member {
  const known = TYPES[type]
  if (known === undefined)
    throw new Malformed(`is ${STRANGERS[type] ?? `of the unknown type ${JSON.stringify(type)}`}`, name)
  const path = memberPath(name)
  const linked = link.replace(/^\.\//, '')
  const endsInSlash = name.endsWith('/') || name === '.'
  const kind = known === 'file' && endsInSlash ? 'directory' : known
  if (kind !== 'directory' && endsInSlash) throw new Malformed('has the name of a folder', name)
  if (path === '' && kind !== 'directory') throw new Malformed('has no name', name)
  if ((kind === 'directory' || kind === 'symlink') && size > 0) throw new Malformed(`is a ${kind} with content`, name)
  const wrong = kind === 'symlink' ? wrongTarget(link) : kind === 'hardlink' ? wrongPath(linked) : undefined
  if (wrong !== undefined) throw new Malformed(kind === 'symlink' ? wrong : `is a hard link to what ${wrong}`, name)
  const common = { path, mode, mtimeNs, size, start, target: '', content }
  if (kind === 'symlink') return { ...common, type: kind, target: link }
  if (kind !== 'hardlink') return { ...common, type: kind }
  // conda-pack writes some hard links with their content.
  return size > 0 ? { ...common, type: 'file' } : { ...common, type: kind, target: linked }
}

/** A member's bytes. What nobody read of them is passed over. */
class MemberContent implements AsyncIterable<Buffer> {
  readonly #reader: ByteReader
  readonly #name: BytePath
  readonly #padding: number
  #left: number

  constructor(reader: ByteReader, { name, size }: FullHeader) {
    this.#reader = reader
    this.#name = name
    this.#left = size
    this.#padding = padding(size)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      const piece = await this.#reader.some(this.#left)
      if (piece.length === 0) throw this.#cut()
      this.#left -= piece.length
      yield piece
    }
  }

  async finish(): Promise<void> {
    const missing = this.#left + this.#padding
    if ((await this.#reader.skip(missing)) < missing) throw this.#cut()
  }

  #cut(): Malformed {
    return new Malformed('is cut off', this.#name)
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

/** Behind the first block of zeros: another one, and then nothing but zeros. */
async function assertEnd(reader: ByteReader): Promise<void> {
  const second = await reader.exactly(BLOCK)
  if (second.length < BLOCK) throw new Malformed('its end is missing')
  let filling = 0
  for (let piece = second; piece.length > 0; piece = await reader.some(FILLING_LIMIT)) {
    if (piece.some((byte) => byte !== 0)) throw new Malformed('something follows its end')
    filling += piece.length
    if (filling > FILLING_LIMIT) throw new Malformed(`more than ${FILLING_LIMIT} bytes of zeros follow its end`)
  }
  if (filling % BLOCK !== 0) throw new Malformed('its end is cut off')
}
