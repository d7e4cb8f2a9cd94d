import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PrefixScanner } from '../../src/relocate/scan.ts'

const PREFIX = '/a/envs/x'

const isFound = (content: Buffer, prefix = PREFIX): boolean => {
  const scanner = new PrefixScanner([prefix], { path: 'etc/x.cfg', size: content.length })
  scanner.push(content)
  return scanner.finish() !== undefined
}

for (const path of [
  '/../y/bin',
  '/..',
  '/../',
  '/lib/../../y',
  '//..//y',
  '/./../y',
  '/lib/gcc/../../..',
  '/../../envs/x',
])
  test(`A path P${path} in a file keeps the original, since it leads out of the environment`, () => {
    for (const behind of ['', '\n', '"', ' -L/lib', ':/usr/lib', '\0'])
      for (const encoding of ['utf8', 'utf16le'] as const)
        assert.ok(!isFound(Buffer.from(`= ${PREFIX}${path}${behind}`, encoding)), `${encoding} ${behind}`)
  })

for (const path of [
  '/bin',
  '/../x/bin',
  '/../x',
  '/lib/../bin',
  '/lib/..',
  '/lib/../../x/y/../bin',
  '/...',
  '/..y',
  '//.',
])
  test(`A path P${path} in a file is relocated, since it ends in the environment`, () => {
    for (const behind of ['', '\n', '"', ' -L../lib', ':/usr/../../lib', '\0..'])
      for (const encoding of ['utf8', 'utf16le'] as const)
        assert.ok(isFound(Buffer.from(`= ${PREFIX}${path}${behind}`, encoding)), `${encoding} ${behind}`)
  })

test('A path that leads out and comes back by the folders above is counted as unsure, since it reaches the original', () => {
  for (const [path, unsure] of [
    ['/../../envs/x/lib', 1],
    ['/lib/../../../envs/x', 1],
    ['/../../../a/envs/./x"', 1],
    ['/../../envs/y', 0],
    ['/../y', 0],
    ['/../x', 0],
  ] as const) {
    const content = Buffer.from(`= ${PREFIX}${path}\n`)
    const scanner = new PrefixScanner([PREFIX], { path: 'etc/x.cfg', size: content.length })
    scanner.push(content)
    scanner.finish()
    assert.equal(scanner.unsure, unsure, path)
  }
})

test('A path P/../NAME is relocated whatever letters the name has', () => {
  for (const encoding of ['utf8', 'utf16le'] as const)
    assert.ok(isFound(Buffer.from('= /a/envs/caf\u00e9/../caf\u00e9/bin', encoding), '/a/envs/caf\u00e9'))
})
