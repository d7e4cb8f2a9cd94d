import assert from 'node:assert/strict'
import { basename, dirname } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { temporaryName } from '../../src/cache/temporary.ts'

test('a temporary file stands beside its archive and has a name that every file system takes, whatever the archive is called', () => {
  const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
  fc.assert(
    fc.property(names, (name) => {
      const path = `/folder/${name.replaceAll('/', '_').replaceAll('\0', '_')}.tar.zst`
      const temporary = temporaryName(path)
      assert.equal(dirname(temporary), '/folder')
      assert.ok(Buffer.byteLength(basename(temporary)) <= 255)
      assert.match(basename(temporary), /^\.tmp\./)
    }),
  )
})
