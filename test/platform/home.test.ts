import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { homeOf } from '../../src/platform/home.ts'

test('the home is HOME if that is absolute, else that of the user database, so nothing is put into whatever folder is current', () => {
  assert.equal(homeOf({ HOME: '/home/me' }), '/home/me')
  const known = userInfo().homedir
  assert.deepEqual([{ HOME: 'me' }, { HOME: '' }, {}].map(homeOf), [known, known, known])
})
