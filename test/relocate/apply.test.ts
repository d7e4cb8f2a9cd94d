import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyToChunk, applyToStream, applyToWhole } from '../../src/relocate/apply.ts'
import { encodings } from '../../src/relocate/encodings.ts'
import { reversePlan } from '../../src/relocate/plan.ts'
import { cut, generator, planFor, relocate, scan } from './helpers.ts'

const A = ['/a/env', '/mnt/a/env']
const placeholder = { text: `/${'p'.repeat(19)}`, mode: 'binary' as const }
const pieces: Buffer[] = [
  '/a/env',
  '/a/env/lib',
  '/mnt/a/env',
  '/a/env2',
  '\0',
  '\0'.repeat(30),
  'x',
  'text\n',
  ':',
  '"',
  'é',
  '\\',
  ' ',
]
  .map((text): Buffer => Buffer.from(text))
  .concat(Object.values(encodings).map((spell) => spell(' /a/env/x')))

/** Yields the same 200 small files of all kinds every time. */
function* files(): Generator<{ data: Buffer; path: string; random: (limit: number) => number }> {
  for (let seed = 0; seed < 200; seed++) {
    const random = generator(seed)
    const magic = ['', '\x7fELF', '#!/a/env/bin/python\n', '\xa7\r\r\n', 'PK\x03\x04'][random(5)]!
    const body = Array.from({ length: random(30) }, () => pieces[random(pieces.length)]!)
    yield { data: Buffer.concat([Buffer.from(magic, 'latin1'), ...body]), path: random(4) ? 'x' : 'x.pyc', random }
  }
}

test('At the same length only the bytes of occurrences change', () => {
  for (const { data, path } of files()) {
    const plan = planFor(data, ['/a/env'], '/b/new', { path })
    const after = applyToWhole(data, plan)
    assert.equal(plan.sameLength, true)
    assert.equal(after.length, data.length)
    const covered = Buffer.alloc(data.length)
    for (const { offset, length } of plan.edits) covered.fill(1, offset, offset + length)
    for (let at = 0; at < data.length; at++) assert.ok(covered[at] || after[at] === data[at], `byte ${at}`)
  }
})

test('A binary keeps its length, whatever the length of the prefix', () => {
  for (const { data, path, random } of files()) {
    const relocation = scan(data, A, { path, placeholder })
    if (relocation?.kind === 'text') continue
    const to = `/${'n'.repeat(1 + random(25))}`
    assert.equal(relocate(data, A, to, { path, placeholder }).length, data.length)
  }
})

test('A prefix that is replaced and put back leaves the original bytes', () => {
  for (const { data, path } of files()) {
    const there = relocate(data, ['/a/env'], '/b/new', { path })
    const left = planFor(data, ['/a/env'], '/b/new', { path }).left.length
    assert.deepEqual(relocate(there, ['/b/new'], '/a/env', { path }), data)
    assert.equal(scan(there, ['/a/env'], { path })?.occurrences.length ?? 0, left)
  }
})

test('A reversed plan restores the original bytes, even with two prefixes of the same length', () => {
  const from = ['/a/env', '/m/env']
  for (const { data, path } of files()) {
    const both = Buffer.concat([data, Buffer.from(' /m/env/x')])
    const plan = planFor(both, from, '/b/new', { path })
    assert.deepEqual(applyToWhole(applyToWhole(both, plan), reversePlan(plan)), both)
  }
})

test('Editing a file chunk by chunk, in chunks of any size, gives the same bytes as editing it whole', () => {
  for (const { data, path, random } of files()) {
    const plan = planFor(data, ['/a/env'], '/b/new', { path })
    const sizes = [1 + random(7), 1 + random(40)]
    const chunks = [...cut(data, sizes)].length
    const edited: Buffer[] = []
    let offset = 0
    for (const chunk of cut(data, sizes)) {
      applyToChunk(chunk, offset, plan)
      offset += chunk.length
      edited.push(Buffer.from(chunk))
    }
    assert.equal(edited.length, chunks)
    assert.deepEqual(Buffer.concat(edited), applyToWhole(data, plan))
  }
})

test('Editing a stream gives the same bytes as editing the whole file, whatever the length of the prefix', async () => {
  for (const { data, path, random } of files()) {
    const plan = planFor(data, A, `/${'n'.repeat(1 + random(25))}`, { path, placeholder })
    const out: Buffer[] = []
    for await (const piece of applyToStream(cut(data, [1 + random(60)]), plan)) out.push(Buffer.from(piece))
    assert.deepEqual(Buffer.concat(out), applyToWhole(data, plan))
  }
})

test('A stream that ends inside an edit is an error', async () => {
  const plan = planFor(Buffer.from('x /a/env'), ['/a/env'], '/b')
  await assert.rejects(async () => {
    for await (const _ of applyToStream([Buffer.from('x /a')], plan));
  }, RangeError)
})

test('The paths of other environments never change', () => {
  const text = '/a/env2 /a/env-old/x "/a/env.bak" /mnt/a/env /a/envé ./a/env'
  for (const to of ['/b/new', '/b', '/much/longer'])
    assert.equal(relocate(Buffer.from(text), ['/a/env'], to).toString(), text)
})
