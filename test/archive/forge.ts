/** Archives of ours whose index lies, with all checksums right. */
import { readFileSync, writeFileSync } from 'node:fs'
import { compressSync, decompressSync, sectionFormat } from '../../src/archive/codec.ts'
import {
  decodeFooter,
  encodeFooter,
  FOOTER_SIZE,
  type Footer,
  SECTIONS,
  type SectionName,
} from '../../src/archive/format.ts'
import { containerSize, isStored, sectionStart, sha256 } from '../../src/archive/index/container.ts'
import type { Columns } from '../../src/archive/index/encode.ts'

/** What the JSON of the head holds. */
type HeadJson = Record<string, unknown> & {
  prefixes: string[]
  watched: unknown[]
  totals: Record<string, number>
}

export interface Parts {
  columns: Columns
  head: HeadJson
  digests: Buffer
  footer: Footer
  /** The bytes before the index: opening and frames. Whoever changes their length changes `footer.indexOffset`. */
  before: Buffer
}

/** Sections that are anything, and lies about their unpacked sizes. */
export interface Lies {
  sections?: Partial<Record<SectionName, Buffer>>
  sizes?: Partial<Record<SectionName, number>>
}

/** Rewrites a tar.zst or a plain tar with other parts. */
export function forge(path: string, change: (parts: Parts) => Lies | undefined): void {
  const bytes = readFileSync(path)
  const footer = decodeFooter(bytes.subarray(-FOOTER_SIZE))
  if (typeof footer === 'string') throw new Error(footer)
  const skipped = containerSize(footer.format, 0) - FOOTER_SIZE
  const section = (name: SectionName): Buffer => {
    const at = footer.indexOffset + skipped + sectionStart(footer, name)
    const stored = bytes.subarray(at, at + footer.sections[name].storedSize)
    return isStored(name) ? stored : decompressSync(sectionFormat(footer.format), stored, footer.sections[name].size)
  }
  const parts: Parts = {
    columns: JSON.parse(section('entries').toString()),
    head: JSON.parse(section('head').toString()),
    digests: Buffer.from(section('digests')),
    footer,
    before: bytes.subarray(0, footer.indexOffset),
  }
  const { sections, sizes = {} } = change(parts) ?? {}
  const { columns, head, digests, before } = parts
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  writeSections(path, { entries: json(columns), digests, head: json(head), ...sections }, { footer, before, sizes })
}

function writeSections(
  path: string,
  sections: Record<SectionName, Buffer>,
  { footer, before, sizes }: Pick<Parts, 'footer' | 'before'> & Required<Pick<Lies, 'sizes'>>,
): void {
  const format = sectionFormat(footer.format)
  const stored = SECTIONS.map((name) => (isStored(name) ? sections[name] : compressSync(format, sections[name], 1)))
  for (const [at, name] of SECTIONS.entries()) {
    const [bytes, size] = [stored[at]!, sizes[name] ?? sections[name].length]
    footer.sections[name] = { storedSize: bytes.length, size, sha256: sha256(bytes) }
  }
  const payload = Buffer.concat(stored)
  const start = Buffer.alloc(containerSize(footer.format, 0) - FOOTER_SIZE)
  if (start.length > 0) {
    start.writeUInt32LE(0x184d2a53, 0)
    start.writeUInt32LE(payload.length + FOOTER_SIZE, 4)
  }
  footer.fileSize = before.length + start.length + payload.length + FOOTER_SIZE
  writeFileSync(path, Buffer.concat([before, start, payload, encodeFooter(footer)]))
}
