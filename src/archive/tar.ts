import { type BytePath, isAscii } from '../model/byte-path.ts'
import type { Entry, RenamedMembers } from '../model/entry.ts'
import { splitTime } from '../model/times.ts'

const BLOCK = 512
/** Two blocks of zeros end a tar stream. */
export const END_OF_TAR: Buffer = Buffer.alloc(2 * BLOCK)

/** Bytes up to the next block border. */
export const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

const TYPE_FLAGS = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const
/** Bytes of the header's field for the target of a link. */
const LINK_FIELD = 100
/** Eleven octal digits, the most that ustar's size and mtime hold. */
const OCTAL_LIMIT = 8 ** 11

/**
 * The header of one member: a ustar block, preceded by a pax extended header if ustar can't say it all (long names
 * and links, bytes beyond ASCII, parts of a second, 8 GiB and more). The owner is 0/0 without names, as conda-pack has it:
 * an ordinary user's tar ignores it, and root's gives no files to another user who has the packer's number.
 * @param root folder of the archive in which the environment stands; null: names have no `./` in front, see `ImageMembers`
 */
export function tarHeader(entry: Entry, root: string | null = '', renamed?: RenamedMembers): Buffer {
  const { name, link, size, split, seconds, fitsOctal, records } = headerParts(withNames(entry, renamed), root)
  const extended = records === '' ? 0 : BLOCK + records.length + padding(records.length)
  // From Buffer's pool: separate memory for each header costs more than writing the header.
  const header = Buffer.allocUnsafe(extended + BLOCK)
  if (extended > 0) {
    const base = name.replace(/\/$/, '').replace(/^.*\//s, '')
    writePax(header, { type: 'x', name: `PaxHeaders/${base}`.slice(0, 100), seconds, records })
  }
  writeBlock(header, extended, {
    name: split?.name ?? name.slice(0, 100),
    prefix: split?.prefix ?? '',
    mode: entry.mode,
    size: size < OCTAL_LIMIT ? size : 0,
    seconds: fitsOctal ? seconds : 0,
    type: TYPE_FLAGS[entry.type],
    link: link.slice(0, LINK_FIELD),
  })
  return header
}

/**
 * The same for a program that makes an image. A long target of a symbolic link stands before the member as GNU tar has it (type K):
 * mksquashfs takes `/`, `./` and `../` off the beginning of one in a pax header (4.5.1).
 */
export function tarHeaderForImage(entry: Entry): Buffer {
  if (entry.type !== 'symlink' || (entry.target.length <= LINK_FIELD && isAscii(entry.target)))
    return tarHeader(entry, null)
  const header = tarHeader({ ...entry, target: '-' }, null)
  const size = entry.target.length + 1
  const long = Buffer.alloc(BLOCK + size + padding(size))
  writeBlock(long, 0, { name: '././@LongLink', prefix: '', mode: 0o644, size, seconds: 0, type: 'K', link: '' })
  long.write(entry.target, BLOCK, 'latin1')
  // Behind the pax header: tar2sqfs forgets what stood before one.
  return Buffer.concat([header.subarray(0, -BLOCK), long, header.subarray(-BLOCK)])
}

/** The size of `tarHeader` in bytes. Making the header would take four times as long. */
export function tarHeaderSize(entry: Entry, root = ''): number {
  const { length } = headerParts(entry, root).records
  return length === 0 ? BLOCK : BLOCK + length + padding(length) + BLOCK
}

function headerParts(entry: Entry, root: string | null) {
  const top = root === null ? '' : root === '' ? './' : `./${root}/`
  const name = memberName(entry, top)
  const link = entry.type === 'symlink' ? entry.target : entry.type === 'hardlink' ? `${top}${entry.target}` : ''
  const size = entry.type === 'file' ? entry.size : 0
  const split = splitName(name)
  const [seconds, nanos] = splitTime(entry.mtimeNs)
  const fitsOctal = seconds >= 0 && seconds < OCTAL_LIMIT

  let records: BytePath = ''
  if (!split || !isAscii(name)) records += paxRecord('path', name)
  if (link.length > LINK_FIELD || !isAscii(link)) records += paxRecord('linkpath', link)
  if (size >= OCTAL_LIMIT) records += paxRecord('size', String(size))
  if (nanos !== 0 || !fitsOctal) records += paxRecord('mtime', decimalSeconds(entry.mtimeNs))
  return { name, link, size, split, seconds, fitsOctal, records }
}

function withNames(entry: Entry, renamed: RenamedMembers | undefined): Entry {
  if (renamed === undefined || renamed.size === 0) return entry
  const path = renamed.get(entry.path) ?? entry.path
  return entry.type === 'hardlink'
    ? { ...entry, path, target: renamed.get(entry.target) ?? entry.target }
    : { ...entry, path }
}

/** A pax header for all members that follow. Readers ignore keywords that they don't know. */
export function globalHeader(keyword: string, value: string): Buffer {
  const records = paxRecord(keyword, value)
  const header = Buffer.alloc(BLOCK + records.length + padding(records.length))
  writePax(header, { type: 'g', name: 'pax_global_header', seconds: 0, records })
  return header
}

/**
 * Members stand below './', as `tar -C PREFIX -c .` writes them: the prefix itself is a member with mode and mtime, and
 * an extractor knows it as the folder of all others. Directories end in a slash.
 */
function memberName(entry: Entry, top: BytePath): BytePath {
  if (entry.path === '') return top || './'
  return entry.type === 'directory' ? `${top}${entry.path}/` : `${top}${entry.path}`
}

/** Splits a name into ustar's two fields: up to 100 bytes of name behind up to 155 of folders. Undefined if it doesn't fit. */
function splitName(name: BytePath): { name: BytePath; prefix: BytePath } | undefined {
  if (name.length <= 100) return { name, prefix: '' }
  const slash = name.indexOf('/', name.length - 101)
  if (slash === -1 || slash > 155 || slash === name.length - 1) return undefined
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) }
}

function writePax(
  into: Buffer,
  { type, name, seconds, records }: { type: 'x' | 'g'; name: string; seconds: number; records: BytePath },
): void {
  const inRange = seconds >= 0 && seconds < OCTAL_LIMIT ? seconds : 0
  writeBlock(into, 0, { name, prefix: '', mode: 0o644, size: records.length, seconds: inRange, type, link: '' })
  into.write(records, BLOCK, 'latin1')
  into.fill(0, BLOCK + records.length, BLOCK + records.length + padding(records.length))
}

/** `LENGTH keyword=value\n`, where LENGTH counts its own digits. */
function paxRecord(keyword: string, value: BytePath): BytePath {
  const rest = ` ${keyword}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
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

/** The bytes that are the same in all headers. */
const TEMPLATE = Buffer.alloc(BLOCK)
for (const [offset, text] of [
  [108, '0000000'],
  [116, '0000000'],
  [148, '        '],
  [257, 'ustar\x0000'],
  [329, '0000000'],
  [337, '0000000'],
] as const)
  TEMPLATE.write(text, offset, 'latin1')

/** Makes few calls out of JavaScript, because there are as many headers as files. */
function writeBlock(into: Buffer, at: number, fields: Fields): void {
  into.set(TEMPLATE, at)
  into.write(fields.name, at, 'latin1')
  octal(into, fields.mode, at + 100, 7)
  octal(into, fields.size, at + 124, 11)
  octal(into, fields.seconds, at + 136, 11)
  into[at + 156] = fields.type.charCodeAt(0)
  if (fields.link !== '') into.write(fields.link, at + 157, 'latin1')
  if (fields.prefix !== '') into.write(fields.prefix, at + 345, 'latin1')
  let sum = 0
  for (let index = at; index < at + BLOCK; index++) sum += into[index]!
  octal(into, sum, at + 148, 6)
  into[at + 154] = 0
}

function octal(into: Buffer, value: number, at: number, digits: number): void {
  for (let left = value, index = at + digits - 1; index >= at; index--) {
    into[index] = 48 + (left % 8)
    left = Math.floor(left / 8)
  }
}

function decimalSeconds(ns: bigint): string {
  const absolute = ns < 0n ? -ns : ns
  const fraction = (absolute % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  return `${ns < 0n ? '-' : ''}${absolute / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}
