import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { relocationCheck } from '../../src/archive/index/check-relocation.ts'
import type { ContentKind, Encoding, Relocation } from '../../src/model/relocation.ts'
import { applyToChunk, applyToStream, applyToWhole } from '../../src/relocate/apply.ts'
import { encodings } from '../../src/relocate/encodings.ts'
import { planRelocation } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'

const PREFIXES = ['/envs/my demo', '/real/envs/my demo']
const NAMES = Object.keys(encodings) as Encoding[]
const KINDS: ContentKind[] = ['text', 'elf', 'binary', 'pyc', 'pyc-only', 'container']
/** As long as the original, shorter, longer, and such that scripts and shells have to quote it. */
const TARGETS = ['/tmp/xy/demo1', '/t', `/tmp/${'long/'.repeat(30)}demo`, "/tmp/a b'c$d/demo"]
const PATHS = [
  'bin/tool',
  'lib/x.pyc',
  'lib/__pycache__/x.cpython-311.pyc',
  'lib/python3/site-packages/x.pth',
  'lib/x.so',
]

const spelled = fc
  .tuple(fc.constantFrom(...PREFIXES), fc.constantFrom(...NAMES))
  .map(([prefix, encoding]) => encodings[encoding](prefix).toString('latin1'))

/** An ELF file, a script, byte code, ...: what decides about a file's kind. */
const beginning = fc.oneof(
  fc.constant(''),
  fc.constantFrom(
    '\x7fELF\x02\x01\x01',
    '\x7fELF\x01\x02\x01',
    '#!',
    '\xf3\x0d\r\n',
    'PK\x03\x04',
    '\xff\xfe',
    '../../x\n',
  ),
  fc.uint8Array({ maxLength: 80 }).map((bytes) => `\x7fELF\x02\x01${Buffer.from(bytes).toString('latin1')}`),
)

const bytes = fc
  .tuple(
    beginning,
    fc.array(
      fc.oneof(
        spelled,
        fc.uint8Array({ maxLength: 30 }).map((some) => Buffer.from(some).toString('latin1')),
        fc.constantFrom(
          '\0',
          '\0\0\0\0',
          '/lib\0',
          '\n',
          '/bin/python\n',
          ':',
          "'''exec' ",
          '#!',
          'z\x0d',
          '../../../x\n',
        ),
        fc.nat(300).map((count) => '\0'.repeat(count)),
      ),
      { maxLength: 15 },
    ),
  )
  .map(([start, parts]) => Buffer.from(start + parts.join(''), 'latin1'))

const path = fc.constantFrom(...PATHS)
const placeholder = fc.option(
  fc.record({
    text: fc.constant(`/opt/${'placehold_'.repeat(20)}`),
    mode: fc.constantFrom('text' as const, 'binary' as const),
  }),
  { nil: undefined },
)

function scan(data: Buffer, file: Omit<ConstructorParameters<typeof PrefixScanner>[1], 'size'>, size: number) {
  const scanner = new PrefixScanner(PREFIXES, { ...file, size: data.length })
  for (let at = 0; at < data.length; at += size) scanner.push(data.subarray(at, at + size))
  return scanner.finish()
}

const check = relocationCheck(PREFIXES)

test('what the scanner finds in any bytes is what a reader of the index accepts', () => {
  fc.assert(
    fc.property(bytes, path, placeholder, fc.integer({ min: 1, max: 400 }), (data, path, placeholder, size) => {
      const relocation = scan(data, { path, ...(placeholder && { placeholder }) }, size)
      if (relocation) assert.equal(check(relocation, data.length), undefined)
    }),
    { numRuns: 3000 },
  )
})

/** Any number, among them those that are a place in the file. */
const number = fc.oneof(fc.nat(120), fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 31, 2 ** 53), fc.constant(undefined))
const occurrence = fc.record(
  {
    offset: fc.oneof({ weight: 9, arbitrary: fc.nat(100) }, { weight: 1, arbitrary: number }),
    prefix: fc.oneof({ weight: 9, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: number }),
    encoding: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: fc.string() }),
    end: number,
    room: number,
    counted: number,
  },
  { requiredKeys: ['offset', 'prefix', 'encoding'] },
)
const lie = fc.record(
  {
    kind: fc.constantFrom(...KINDS),
    occurrences: fc
      .array(occurrence, { maxLength: 6 })
      .map((all) => all.sort((a, b) => Number(a.offset) - Number(b.offset))),
    head: number,
    outward: fc.array(fc.record({ offset: number, length: number }), { maxLength: 3 }),
    dynamic: fc.array(
      fc.record({ offset: number, text: fc.string({ maxLength: 20 }), list: fc.boolean(), shared: number }),
      {
        maxLength: 3,
      },
    ),
    sealed: number,
    fixed: fc.constant(true),
    readable: fc.constant(true),
  },
  { requiredKeys: ['kind', 'occurrences'] },
) as unknown as fc.Arbitrary<Relocation>

test('any bytes and any relocation that passes the check are relocated without an error, and only texts and byte code change their length', async () => {
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(bytes, lie, path, fc.constantFrom(...TARGETS), async (data, relocation, path, to) => {
      if (check(relocation, data.length) !== undefined) return
      accepted++
      const plan = planRelocation(relocation, { path }, PREFIXES, to)
      const whole = applyToWhole(Buffer.from(data), plan)
      if (!['text', 'pyc-only'].includes(relocation.kind) && !relocation.outward?.length)
        assert.equal(whole.length, data.length)
      const pieces: Buffer[] = []
      for await (const piece of applyToStream(cut(data, 7), plan)) pieces.push(Buffer.from(piece))
      assert.ok(Buffer.concat(pieces).equals(whole))
      if (!plan.sameLength) return
      assert.equal(whole.length, data.length)
      // In memory in which other data stands before and behind.
      const around = Buffer.alloc(data.length + 64, 'guard')
      const chunk = around.subarray(32, 32 + data.length)
      data.copy(chunk)
      for (const [at, piece] of cut(chunk, 13).entries()) applyToChunk(piece, at * 13, plan)
      assert.ok(chunk.equals(whole))
      const guard = Buffer.alloc(data.length + 64, 'guard')
      whole.copy(guard, 32)
      assert.ok(around.equals(guard), 'bytes around it')
    }),
    { numRuns: 20_000 },
  )
  assert.ok(accepted > 200, `only ${accepted} were accepted`)
})

function cut(data: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < data.length; at += size) pieces.push(data.subarray(at, at + size))
  return pieces
}
