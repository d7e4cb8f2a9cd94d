import { type BytePath, bytesOf, isAscii } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'

export const BLOCK = 512
/** Two blocks of zeros end a tar stream. */
export const END_OF_TAR: Buffer = Buffer.alloc(2 * BLOCK)

/** Bytes up to the next block border. */
export const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

const TYPE_FLAGS = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const
/** Eleven octal digits, the most that ustar's size and mtime hold. */
const OCTAL_LIMIT = 8 ** 11

/**
 * The header of one member: a ustar block, preceded by a pax extended header where ustar can't say it all (long names
 * and links, bytes beyond ASCII, parts of a second, 8 GiB and more). Owner is 0/0 without names, as conda-pack has it:
 * an ordinary user's tar ignores it, root's doesn't hand files to whoever has the packer's number.
 * @param root folder of the archive in which the environment stands
 */
export function tarHeader(entry: Entry, root = ''): Buffer {
  const { name, link, size, split, seconds, fitsOctal, records } = headerParts(entry, root)
  const header = block({
    name: split?.name ?? name.slice(0, 100),
    prefix: split?.prefix ?? '',
    mode: entry.mode,
    size: size < OCTAL_LIMIT ? size : 0,
    seconds: fitsOctal ? seconds : 0,
    type: TYPE_FLAGS[entry.type],
    link: link.slice(0, 100),
  })
  if (records.length === 0) return header
  const base = name.replace(/\/$/, '').replace(/^.*\//s, '')
  return Buffer.concat([paxMember('x', `PaxHeaders/${base}`.slice(0, 100), seconds, Buffer.concat(records)), header])
}

/** Bytes of `tarHeader`, without making it, which takes four times as long. */
export function tarHeaderSize(entry: Entry, root = ''): number {
  const extended = headerParts(entry, root).records.reduce((sum, { length }) => sum + length, 0)
  return extended === 0 ? BLOCK : BLOCK + extended + padding(extended) + BLOCK
}

function headerParts(entry: Entry, root: string) {
  const top = root === '' ? '.' : `./${root}`
  const name = memberName(entry, top)
  const link = entry.type === 'symlink' ? entry.target : entry.type === 'hardlink' ? `${top}/${entry.target}` : ''
  const size = entry.type === 'file' ? entry.size : 0
  const split = splitName(name)
  const seconds = floorSeconds(entry.mtimeNs)
  const whole = BigInt(seconds) * 1_000_000_000n === entry.mtimeNs
  const fitsOctal = seconds >= 0 && seconds < OCTAL_LIMIT

  const records: Buffer[] = []
  if (!split || !isAscii(name)) records.push(paxRecord('path', name))
  if (link.length > 100 || !isAscii(link)) records.push(paxRecord('linkpath', link))
  if (size >= OCTAL_LIMIT) records.push(paxRecord('size', String(size)))
  if (!whole || !fitsOctal) records.push(paxRecord('mtime', decimalSeconds(entry.mtimeNs)))
  return { name, link, size, split, seconds, fitsOctal, records }
}

/** A pax header for all members that follow; readers that don't know a keyword pass over it. */
export function globalHeader(keyword: string, value: string): Buffer {
  return paxMember('g', 'pax_global_header', 0, paxRecord(keyword, value))
}

/**
 * Members stand below './', as `tar -C PREFIX -c .` has them: so the prefix's own mode and mtime can be among them, and
 * an extractor knows that it is the folder of all others. Directories end in a slash.
 */
function memberName(entry: Entry, top: BytePath): BytePath {
  if (entry.path === '') return `${top}/`
  return entry.type === 'directory' ? `${top}/${entry.path}/` : `${top}/${entry.path}`
}

/** ustar's two fields: up to 100 bytes of name behind up to 155 of folders. Undefined where that is not enough. */
function splitName(name: BytePath): { name: BytePath; prefix: BytePath } | undefined {
  if (name.length <= 100) return { name, prefix: '' }
  const slash = name.indexOf('/', name.length - 101)
  if (slash === -1 || slash > 155 || slash === name.length - 1) return undefined
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) }
}

function paxMember(type: 'x' | 'g', name: string, seconds: number, records: Buffer): Buffer {
  const inRange = seconds >= 0 && seconds < OCTAL_LIMIT ? seconds : 0
  const header = block({ name, prefix: '', mode: 0o644, size: records.length, seconds: inRange, type, link: '' })
  return Buffer.concat([header, records, Buffer.alloc(padding(records.length))])
}

/** `LENGTH keyword=value\n`, where LENGTH counts its own digits. */
function paxRecord(keyword: string, value: BytePath): Buffer {
  const rest = ` ${keyword}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return bytesOf(`${length}${rest}`)
}

interface Fields {
  name: BytePath
  prefix: BytePath
  mode: number
  size: number
  seconds: number
  type: string
  link: BytePath
}

function block({ name, prefix, mode, size, seconds, type, link }: Fields): Buffer {
  // From Buffer's pool: memory of its own for each header costs more than writing it.
  const header = Buffer.allocUnsafe(BLOCK).fill(0)
  header.write(name, 0, 'latin1')
  octal(header, mode, 100, 8)
  octal(header, 0, 108, 8)
  octal(header, 0, 116, 8)
  octal(header, size, 124, 12)
  octal(header, seconds, 136, 12)
  header.fill(' ', 148, 156)
  header.write(type, 156, 'latin1')
  header.write(link, 157, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  octal(header, 0, 329, 8)
  octal(header, 0, 337, 8)
  header.write(prefix, 345, 'latin1')
  let sum = 0
  for (let at = 0; at < BLOCK; at++) sum += header[at]!
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

function octal(header: Buffer, value: number, offset: number, width: number): void {
  header.write(value.toString(8).padStart(width - 1, '0'), offset, 'latin1')
}

/** Rounded towards the past, also before 1970. */
export function floorSeconds(ns: bigint): number {
  const seconds = ns / 1_000_000_000n
  return Number(ns < seconds * 1_000_000_000n ? seconds - 1n : seconds)
}

function decimalSeconds(ns: bigint): string {
  const absolute = ns < 0n ? -ns : ns
  const fraction = (absolute % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  return `${ns < 0n ? '-' : ''}${absolute / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}
