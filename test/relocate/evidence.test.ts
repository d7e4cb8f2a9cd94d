import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Encoding } from '../../src/model/relocation.ts'
import { encodings } from '../../src/relocate/encodings.ts'
import { relocateText, scan, scanned } from './helpers.ts'

const P = '/a/env'
const NONE = [[]]
/** Beside the environment stand env2, env-old, env.bak, 'env copy' and envé. */
const SIBLINGS = [['2', '-old', '.bak', ' copy', 'é']]
const count = (text: string, siblings = NONE as string[][]): number =>
  scan(Buffer.from(text), [P], { siblings })?.occurrences.length ?? 0

// '@' marks the place of the prefix. Without a sibling of that name, nothing behind it makes another path of it.
const ours = [
  'set(F "-fdebug-prefix-map=@=/usr/src")',
  'r=--remap-path-prefix=@=/pkg',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  'export L="${L:+${L}:}@/lib"',
  'cp t $(DESTDIR)@/bin',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is CMake's
  'cp t ${X}@/bin',
  'cp t $DESTDIR@/bin',
  'cp t %{buildroot}@/bin',
  'cp t "%s@/bin"',
  'sed "s@@@NEW@"',
  'sed "s|@|NEW|; s,@,NEW,; s#@#NEW#; s%@%NEW%; s:@:NEW:"'.split(';')[0]!,
  'ROOT=@PREFIX@@/bin',
  'file://localhost@/x',
  'file://node17.cluster@/x',
  'git+file://@/x',
  '-isystem@/include',
  '-Wl,-rpath,@/lib',
  'path=@;other',
  '@:@2/x'.replace('@2', '/x'),
  '{"a":"@"}',
  '<a href="@">',
  '@=x',
  '@@',
  '@2/lib',
  '@-old',
  '@.bak',
  '@_x',
  '@%20x',
  '@é',
  'user@host:@/x',
  's@/usr/local@@@',
  's%/usr/local%@%',
  'sed s+/usr/local+@+',
  "sed 's~/opt~@~'",
  'vscode://file@/x',
  'at “@”',
  'x\\n@',
]
for (const form of ours) {
  test(`With no sibling of another name, the prefix is found in ${JSON.stringify(form)}`, () => {
    assert.ok(count(form.replace('@PREFIX@', '$PREFIX$').replaceAll('@', P)) > 0)
  })
}

test('The name of a sibling that is there makes another path of it, and a longer or shorter name does not', () => {
  for (const text of [
    '@2',
    '@2/lib',
    '@-old/lib',
    '"@.bak"',
    '@2:',
    '@é/x',
    '@%C3%A9/x',
    '@\\ copy/x',
    '@%20copy/x',
    '"@ copy"',
  ])
    assert.equal(count(text.replace('@', P), SIBLINGS), 0, text)
  for (const text of ['@', '@/2', '@23/lib', '@-older', '@.bakery', '@2_x', '@-', '@ copy of it', 'cd @ copy'])
    assert.equal(count(text.replace('@', P), SIBLINGS), 1, text)
})

test('A sibling is known in every spelling of its own and of the prefix', () => {
  for (const encoding of ['utf16le', 'utf16be', 'utf32le', 'json-slash'] as Encoding[]) {
    const spell = encodings[encoding]
    assert.equal(scan(spell('x /a/env2/lib'), [P], { siblings: SIBLINGS }), undefined, encoding)
    assert.equal(scan(spell('x /a/env3/lib'), [P], { siblings: SIBLINGS })?.occurrences.length, 1, encoding)
  }
})

test('Each of two prefixes has siblings of its own, and one without evidence goes by the characters behind it', () => {
  const text = Buffer.from('/a/env2 /b/real2 /b/real-x /a/env-x')
  const offsets = (siblings: (string[] | null)[]) =>
    scan(text, ['/a/env', '/b/real'], { siblings })?.occurrences.map(({ offset }) => offset) ?? []
  assert.deepEqual(offsets([['2'], ['-x']]), [8, 27])
  assert.deepEqual(offsets([null, ['2']]), [17])
})

test('A home, a relative path, a web address or a longer path before the prefix makes another path of it', () => {
  for (const text of [
    '~@',
    '~me@',
    '$HOME@',
    '$(HOME)@',
    '%HOME%@',
    './@'.replace('/', ''),
    '..@',
    'http://host@',
    'ssh://me@host@',
    '/mnt@',
  ])
    assert.equal(count(text.replace(/@$/, P)), 0, text)
})

test("Conda's record decides whether a path before the prefix belongs to it", () => {
  const data = Buffer.from('x /mnt/a/env/lib')
  assert.equal(scan(data, [P], { siblings: NONE }), undefined)
  for (const mode of ['text', 'binary'] as const)
    assert.equal(scan(data, [P], { siblings: NONE, placeholder: { text: '/p', mode } })?.occurrences.length, 1)
})

/** An ELF file's first bytes, with the note of Go's linker or without. */
const elf = (isGo: boolean): string =>
  `\x7fELF\x02\x01${'\0'.repeat(100)}${isGo ? '\x04\0\0\0\x04\0\0\0\x04\0\0\0Go\0\0' : ''}`

test('In programs of Go and Rust other strings surround the prefix, and are no part of its path', () => {
  const strings = '\0hello %s/usr/lib/a/env/etc/ssl.crt/a/env/sharetext/html/a/env./a/envusage: x'
  for (const data of [
    elf(true) + strings,
    `${elf(false)}${strings}\0\xff Go buildinf:`,
    `${elf(false)}${strings}\0rustc version 1.80`,
  ])
    for (const chunks of [[100_000], [7], [64]])
      assert.equal(scan(Buffer.from(data, 'latin1'), [P], { siblings: NONE, chunks })?.occurrences.length, 4)
})

test('In other programs and data a prefix behind a path stays, and counts as unsure unless a C string begins with that path', () => {
  for (const [data, unsure] of [
    [`${elf(false)}/mnt/a/env\0`, 0],
    [`${elf(false)}text/mnt/a/env\0`, 1],
    ['\x01\0\x04/mnt/a/env\0', 1],
  ] as const) {
    const scanner = scanned(Buffer.from(data, 'latin1'), [P], { siblings: NONE })
    assert.equal(scanner.finish(), undefined)
    assert.equal(scanner.unsure, unsure)
  }
  const text = scanned(Buffer.from('/mnt/a/env ~/a/env'), [P], { siblings: NONE })
  assert.deepEqual([text.finish(), text.unsure], [undefined, 0])
})

test('In data a letter before the prefix may be its count, whatever stands before that', () => {
  const path = `/a/env/${'x'.repeat(60)}`
  for (const before of ['/usr/lib\x94\x8c', '/usr/lib2', 'x./', '~'])
    assert.equal(
      relocateText(`\0${before}${String.fromCharCode(path.length)}${path}\0`, P, '/b/new', { siblings: NONE }),
      `\0${before}${String.fromCharCode(path.length)}${path.replace(P, '/b/new')}\0`,
      before,
    )
})

test('At the same length, whatever may stand around it, an occurrence is written over and nothing else', () => {
  const text = 'a=/a/env=b @/a/env@ $(D)/a/env2 /mnt/a/env ~/a/env file://localhost/a/env'
  assert.equal(
    relocateText(text, P, '/b/new', { siblings: NONE }),
    'a=/b/new=b @/b/new@ $(D)/b/new2 /mnt/a/env ~/a/env file://localhost/b/new',
  )
})
