import assert from 'node:assert/strict'
import { test } from 'node:test'
import { relocateLink, relocateTarget } from '../../src/relocate/symlink.ts'

const FROM = ['/a/env', '/mnt/a/env']
const table = [
  ['/a/env', '/tmp/é'],
  ['/a/env/lib/x', '/tmp/é/lib/x'],
  ['/mnt/a/env/lib', '/tmp/é/lib'],
  ['/a/env2/lib', '/a/env2/lib'],
  ['../lib', '../lib'],
  ['a/env/lib', 'a/env/lib'],
  ['/a/env/\xff', '/tmp/é/\xff'],
  ['/a//env/lib', '/tmp/é/lib'],
  ['//a/./env/./lib/', '/tmp/é/lib/'],
  ['/a/env/../env/lib', '/tmp/é/lib'],
  ['/a/other/../env/lib', '/tmp/é/lib'],
  ['/mnt/a/env/../env/lib', '/tmp/é/lib'],
  ['/a/env/../../a/env/lib', '/tmp/é/lib'],
  ['/a/env/../other/lib', '/mnt/a/other/lib'],
  ['/a/env/lib/../../../big/x', '/mnt/big/x'],
  ['/a/env/link/../x', '/tmp/é/link/../x'],
  ['/usr//lib/../bin', '/usr//lib/../bin'],
] as const
for (const [target, expected] of table) {
  test(`A symbolic link to ${target} points to ${expected} in the stage`, () => {
    const bytes = expected.replace('é', '\xc3\xa9')
    assert.equal(relocateTarget(target, FROM, '/tmp/é'), bytes)
  })
}

test('If one prefix lies in the other, the longer one that begins the target of a link is replaced', () => {
  assert.equal(relocateTarget('/a/env/x', ['/a', '/a/env'], '/t'), '/t/x')
})

// The link is lib/deep/link, and the kernel finds it below /mnt/a/env.
const relative = [
  ['../x', '../x', 'inside'],
  ['../../x', '../../x', 'inside'],
  ['../../lib/../x/', '../../lib/../x/', 'inside'],
  ['../../../other/x', '/mnt/a/other/x', 'out'],
  ['./..//../../../big', '/mnt/big', 'out'],
  ['../../../..', '/mnt', 'out'],
  ['../../../../../../../..', '/', 'out, above the root'],
  ['../../../../big/link/../x', '/mnt/big/link/../x', 'out'],
  ['../../../env/share/x', '../../share/x', 'out and in again'],
  ['../../../../a/env/share/', '../../share/', 'out and in again'],
  ['../../../env', '../..', 'out and in again'],
  ['../../../env2/x', '/mnt/a/env2/x', 'out, to a neighbour'],
  ['../../../../../a/env/x', '../../x', 'out and in again by the logical prefix'],
  ['../../../env/../env/x', '../../x', 'out and in again twice'],
] as const
for (const [target, expected, where] of relative)
  test(`A link in lib/deep to ${target} leads ${where}: in the stage it is ${expected}`, () => {
    assert.equal(relocateLink({ path: 'lib/deep/link', target }, FROM, '/tmp/stage/env'), expected)
  })

test('A link to the folder that the environment is in leads there from the stage too', () => {
  assert.equal(relocateLink({ path: 'up', target: '..' }, ['/a/env'], '/tmp/stage/env'), '/a')
  assert.equal(relocateLink({ path: 'self', target: '../env' }, ['/a/env'], '/tmp/stage/env'), '.')
})
