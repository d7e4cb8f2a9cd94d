import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { isNeverRemade, stringsOf, writeString } from '../../src/relocate/pyc.ts'
import { planFor, relocate, scan } from './helpers.ts'

const P = '/a/env'
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const python313 = (flags: number, code: string): Buffer =>
  bytes(`\xf3\r\r\n${String.fromCharCode(flags)}\0\0\0${'\0'.repeat(8)}${code}`)

test('Byte code that Python never compiles anew is known by its place and by its header', () => {
  const table: [path: string, flags: number, expected: boolean][] = [
    ['lib/m.pyc', 0, true],
    ['m.pyc', 0, true],
    ['lib/__pycache__/m.cpython-313.pyc', 0, false],
    ['lib/__pycache__/m.cpython-313.pyc', 1, true],
    ['lib/__pycache__/m.cpython-313.pyc', 3, false],
    ['lib/__pycache__/sub/m.pyc', 0, true],
  ]
  for (const [name, flags, expected] of table) assert.equal(isNeverRemade(python313(flags, ''), name), expected, name)
})

test('All strings of marshalled data are found, and data that is not marshal to its last byte has none', () => {
  const code = ')\x04z\x06/a/env\xe9\x01\0\0\0s\x02\0\0\0ab\xda\x01x'
  assert.deepEqual(
    stringsOf(python313(0, code))?.map(({ start, end }) => end - start),
    [6, 2, 1],
  )
  for (const broken of [`${code}N`, code.slice(0, -1), `${code.slice(0, -3)}?x1`, ''])
    assert.equal(stringsOf(python313(0, broken)), undefined, broken)
  assert.equal(stringsOf(bytes(`\x01\0\r\n${'\0'.repeat(12)}N`)), undefined, 'a version that is not known')
})

const written: [what: string, type: string, text: string, expected: string][] = [
  ['keeps its type', '\xda', 'short', '\xda\x05short'],
  ['gets four bytes of count', 'z', 'x'.repeat(256), `a\0\x01\0\0${'x'.repeat(256)}`],
  ['stays interned', '\xda', 'x'.repeat(256), `\xc1\0\x01\0\0${'x'.repeat(256)}`],
  ['becomes UTF-8', 'z', '\xc3\xa9', 'u\x02\0\0\0\xc3\xa9'],
  ['becomes interned UTF-8', 'A', '\xc3\xa9', 't\x02\0\0\0\xc3\xa9'],
  ['keeps its bytes', 's', '\xff', 's\x01\0\0\0\xff'],
]
for (const [what, type, text, expected] of written) {
  test(`A counted string with another text ${what}`, () => {
    assert.equal(writeString(bytes(type)[0]!, bytes(text)).toString('latin1'), expected)
  })
}

test('Every string of such byte code gets a prefix of any length with its count; other byte code stays', () => {
  const data = python313(0, ')\x03z\x0a/a/env/lib\xf5\x06\0\0\0/a/envz\x0d/a/env:/a/env')
  const to = '/much/longer'
  const expected = python313(0, ')\x03z\x10/much/longer/lib\xf5\x0c\0\0\0/much/longerz\x19/much/longer:/much/longer')
  assert.deepEqual(relocate(data, [P], to, { path: 'm.pyc' }), expected)
  assert.deepEqual(relocate(data, [P], to, { path: '__pycache__/m.pyc' }), data)
  for (const chunks of [[1], [10]])
    assert.deepEqual(scan(data, [P], { path: 'm.pyc', chunks }), scan(data, [P], { path: 'm.pyc' }))
})

test('Such byte code of a version that is not known stays whole, and what it holds is told', () => {
  const data = bytes(`\x01\0\r\n${'\0'.repeat(12)}z\x06/a/env`)
  const plan = planFor(data, [P], '/much/longer', { path: 'm.pyc' })
  assert.deepEqual([plan.edits.length, plan.left.length], [0, 1])
})

let root: string
before(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'pyc-')))
})
after(() => fs.rmSync(root, { recursive: true, force: true }))

test('A module without its source runs from a prefix of any length', () => {
  const run = (args: string[]) =>
    execFileSync('python3', args, { encoding: 'utf8', env: { ...process.env, PYTHONUTF8: '1' } })
  const from = `${root}/original/env`
  const source = `
EXACT = '${from}'
NAMES = {'${from}/x': (1, 2.5, 3 + 1j, 10 ** 30, None, ...), 'é${from}': None}
BYTES = b'-I${from}'
LONG = '${'x'.repeat(250)}${from}'
def function(a, /, b, *, c='${from}'):
    def inner():
        return c, a
    return inner()
class Class:
    "${from}"
print(EXACT, NAMES, BYTES.decode(), LONG, function(1, 2), Class.__doc__, function.__code__.co_filename)
`
  fs.mkdirSync(`${root}/code`)
  fs.writeFileSync(`${root}/code/m.py`, source)
  run(['-c', `import py_compile as p; p.compile('${root}/code/m.py', '${root}/code/m.pyc', dfile='${from}/m.py')`])
  const data = fs.readFileSync(`${root}/code/m.pyc`)
  const expected = run([`${root}/code/m.pyc`])
  for (const to of ['/s', `${root}/${'longer/'.repeat(30)}env`, `${root}/ü`]) {
    fs.writeFileSync(`${root}/code/there.pyc`, relocate(data, [from], to, { path: 'lib/m.pyc' }))
    assert.equal(run([`${root}/code/there.pyc`]), expected.replaceAll(from, to))
  }
})
