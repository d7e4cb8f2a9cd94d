/** Any environment that an archive may have to hold, and any damage to bytes. */
import fc from 'fast-check'
import type { ArchiveItem } from '../../src/model/item.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { directory, file, HEADER, hardlink, symlink } from './support.ts'

/** A name of any bytes, most of them short, some as long as they may be. */
const name = fc
  .oneof(
    { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'bin', 'lib', 'A', '-rf', 'x.py', 'ü', '.hidden', 'a.own') },
    { weight: 3, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 20 }).map(latin1) },
    { weight: 1, arbitrary: fc.constantFrom('n'.repeat(255), 'ü'.repeat(100), 'o'.repeat(101)) },
  )
  .map((text) => text.replaceAll('/', '_').replaceAll('\0', '_'))
  .filter((text) => text !== '.' && text !== '..')

const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** Bytes in which prefixes stand in some way or other. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map(latin1),
      fc.constantFrom(...HEADER.prefixes, '#!/envs/demo/bin/python\n', '\0', ':', '/', '\n', '\x7fELF', '/envs/demo2'),
      fc.constantFrom(Buffer.from('/envs/demo', 'utf16le').toString('latin1'), '\\/envs\\/demo', 'x'.repeat(300)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'))

type Thing =
  | { type: 'file'; content: Buffer }
  | { type: 'directory' }
  | { type: 'symlink'; target: string }
  | { type: 'hardlink'; nth: number }

const thing: fc.Arbitrary<Thing> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('file' as const), content }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('directory' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('symlink' as const),
      target: fc.oneof(path, fc.constantFrom('/', '/etc', '../../..', '/envs/demo/lib', 'x'.repeat(4095))),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('hardlink' as const), nth: fc.nat(50) }) },
)

const facts = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  // The years 1902 to 2106, to the nanosecond.
  mtimeNs: fc.bigInt({ min: -(2n ** 31n) * 1_000_000_000n, max: 2n ** 32n * 1_000_000_000n }),
})

/** Items of a tree, each folder among them, in any order but with each file before its further names. */
export const tree: fc.Arbitrary<ArchiveItem[]> = fc
  .array(fc.tuple(path, thing, facts), { maxLength: 25 })
  .chain((all) => fc.record({ all: fc.constant(all), root: facts }))
  .map(({ all, root }) => {
    const items = new Map<string, ArchiveItem>([['', directory('', root)]])
    const files: string[] = []
    for (const [at, what, entry] of all) {
      const folders = at.split('/').map((_, n, parts) => parts.slice(0, n).join('/'))
      const isBlocked = folders.some((folder) => items.get(folder) && items.get(folder)!.entry.type !== 'directory')
      if (isBlocked || items.has(at) || at.length > 4000) continue
      for (const folder of folders) if (!items.has(folder)) items.set(folder, directory(folder, entry))
      const target = what.type === 'hardlink' ? files[what.nth % Math.max(1, files.length)] : undefined
      if (what.type === 'hardlink' && target === undefined) continue
      items.set(at, itemOf(at, what, { target, entry, items }))
      if (what.type === 'file') files.push(at)
    }
    return [...items.values()]
  })

function itemOf(
  at: string,
  what: Thing,
  {
    target,
    entry,
    items,
  }: { target: string | undefined; entry: { mode: number; mtimeNs: bigint }; items: Map<string, ArchiveItem> },
): ArchiveItem {
  if (what.type === 'directory') return directory(at, entry)
  if (what.type === 'symlink') {
    const item = symlink(at, what.target)
    return { entry: { ...item.entry, mtimeNs: entry.mtimeNs } }
  }
  // A further name has the facts of its file.
  if (what.type === 'hardlink') {
    const { mode, mtimeNs } = items.get(target!)!.entry
    return hardlink(at, target!, { mode, mtimeNs })
  }
  const scanner = new PrefixScanner(HEADER.prefixes, { path: at, size: what.content.length })
  scanner.push(what.content)
  const relocation = scanner.finish()
  return file(at, what.content, { ...entry, ...(relocation && { relocation }) })
}

/** Something that happens to bytes. `at` and `to` are parts of their length. */
export interface Damage {
  what: 'flip' | 'set' | 'cut' | 'drop' | 'insert' | 'repeat' | 'zero'
  at: number
  to: number
  bytes: Uint8Array
}

export const damage: fc.Arbitrary<Damage[]> = fc.array(
  fc.record({
    what: fc.constantFrom('flip', 'flip', 'set', 'cut', 'drop', 'insert', 'repeat', 'zero'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  }),
  { minLength: 1, maxLength: 3 },
)

export function damaged(whole: Buffer, all: readonly Damage[]): Buffer {
  return all.reduce((bytes: Buffer, { what, at, to, bytes: given }) => {
    const from = Math.min(bytes.length - 1, Math.floor(at * bytes.length))
    if (from < 0) return bytes
    const until = Math.min(bytes.length, from + Math.ceil(to * 64))
    const result = Buffer.from(bytes)
    switch (what) {
      case 'flip':
        result[from]! ^= 1 << (given[0]! % 8)
        return result
      case 'set':
        Buffer.from(given).copy(result, from)
        return result
      case 'zero':
        return result.fill(0, from, until)
      case 'cut':
        return result.subarray(0, from)
      case 'drop':
        return Buffer.concat([bytes.subarray(0, from), bytes.subarray(until)])
      case 'insert':
        return Buffer.concat([bytes.subarray(0, from), given, bytes.subarray(from)])
      default:
        return Buffer.concat([bytes.subarray(0, until), bytes.subarray(from)])
    }
  }, whole)
}
