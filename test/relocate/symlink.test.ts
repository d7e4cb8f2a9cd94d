import assert from 'node:assert/strict'
import { test } from 'node:test'
import { relocateTarget } from '../../src/relocate/symlink.ts'

const table = [
  ['/a/env', '/tmp/é'],
  ['/a/env/lib/x', '/tmp/é/lib/x'],
  ['/mnt/a/env/lib', '/tmp/é/lib'],
  ['/a/env2/lib', '/a/env2/lib'],
  ['../lib', '../lib'],
  ['a/env/lib', 'a/env/lib'],
  ['/a/env/\xff', '/tmp/é/\xff'],
] as const
for (const [target, expected] of table) {
  test(`A symbolic link to ${target} points to ${expected} in the stage`, () => {
    const bytes = expected.replace('é', '\xc3\xa9')
    assert.equal(relocateTarget(target, ['/a/env', '/mnt/a/env'], '/tmp/é'), bytes)
  })
}

test('If one prefix lies in the other, the longer one that begins the target of a link is replaced', () => {
  assert.equal(relocateTarget('/a/env/x', ['/a', '/a/env'], '/t'), '/t/x')
})
