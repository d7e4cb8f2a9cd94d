/** Tars block by block, so that a test can say anything in them, right or wrong. */
import { END_OF_TAR } from '../../src/archive/tar.ts'

export interface TarMember {
  name: string
  /** Bytes of text are latin1. */
  content?: string | Buffer
  type?: string
  mode?: number
  link?: string
  /** What the header says, if that is not the content's. */
  size?: number
  seconds?: number
  /** Records of a pax header in front. */
  pax?: Record<string, string>
  /** GNU's headers in front, for a long name or link. */
  gnu?: { L?: string; K?: string }
  magic?: string
  prefix?: string
  /** Added to the right checksum. */
  sumOff?: number
  /** Changes the header when it is done. Its checksum is then made anew. */
  forge?(header: Buffer): void
}

/** The members, and the end. */
export const tar = (...members: TarMember[]): Buffer => Buffer.concat([...members.map(tarMember), END_OF_TAR])

/** A member without an end of the tar behind it. */
export function tarMember(member: TarMember): Buffer {
  const { pax, gnu } = member
  const before: Buffer[] = []
  if (pax) before.push(extended('x', Object.entries(pax).map(paxRecord).join('')))
  for (const [type, text] of Object.entries(gnu ?? {})) before.push(extended(type, `${text}\0`))
  const content = Buffer.from((member.content ?? '') as string, 'latin1')
  return Buffer.concat([...before, header({ ...member, content }), filled(content)])
}

/** A header of its own kind: `x`, `g`, `L` or `K`. */
export const extended = (type: string, text: string): Buffer => tarMember({ name: 'extended', type, content: text })

export function paxRecord([keyword, value]: [string, string]): string {
  const rest = ` ${keyword}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

function header(member: TarMember & { content: Buffer }): Buffer {
  const { name, content, type = '0', mode = 0o644, link = '', size = content.length, seconds = 1_700_000_000 } = member
  const block = Buffer.alloc(512)
  block.write(name.slice(0, 100), 0, 'latin1')
  block.write(octal(mode, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  if (size < 8 ** 11) block.write(octal(size, 11), 124)
  else block.writeBigUInt64BE(BigInt(size), 128)
  if (size >= 8 ** 11) block[124] = 0x80
  block.write(octal(seconds, 11), 136)
  block.write(type, 156, 'latin1')
  block.write(link.slice(0, 100), 157, 'latin1')
  block.write(member.magic ?? 'ustar\x0000', 257, 'latin1')
  block.write(member.prefix ?? '', 345, 'latin1')
  member.forge?.(block)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0) + (member.sumOff ?? 0)
  block.write(`${octal(sum, 6)}\0 `, 148)
  return block
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')

function filled(content: Buffer): Buffer {
  const block = Buffer.alloc(Math.ceil(content.length / 512) * 512)
  content.copy(block)
  return block
}
