import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { StageError } from '../../src/errors.ts'
import { asLocalFailure } from '../../src/stage/failure.ts'
import { MOUNTING } from '../cli/world.ts'

const answer = (code: string, more = {}) => Object.assign(new Error(code), { code, ...more })

test('a disk whose inodes are used up is not called full', (context) => {
  const folder = mkdtempSync(`${tmpdir()}/failure-`)
  context.after(() => rmSync(folder, { recursive: true }))
  const code = `
    import { openSync } from 'node:fs'
    import { asLocalFailure } from '${new URL('../../src/stage/failure.ts', import.meta.url)}'
    const folder = process.argv[1]
    try {
      for (let n = 0; ; n++) openSync(folder + '/' + n, 'w')
    } catch (error) {
      const { code, message } = asLocalFailure(error, folder)
      console.log(code, message)
    }`
  const print = (options: string) => {
    const script = `mount -t tmpfs -o ${options} tmpfs "$1"; node=$2; code=$3; "$node" --input-type=module -e "$code" "$1"`
    const command = [...MOUNTING.slice(1), script, 'sh', folder, process.execPath, code]
    return execFileSync(MOUNTING[0]!, command, { encoding: 'utf8' }).trim()
  }
  assert.equal(print('nr_inodes=5'), `NO_INODES ${folder} ran out of inodes while it was written to`)
  const full = asLocalFailure(answer('ENOSPC'), folder) as StageError
  assert.deepEqual([full.code, full.message], ['NO_SPACE', `${folder} ran full while it was written to`])
})

test("an answer of the local disk names the file that was to be made, and a link's target never", () => {
  const named = (more: object) => (asLocalFailure(answer('EIO', more), '/local') as StageError).path
  assert.equal(named({}), '/local')
  assert.equal(named({ path: '/local/a' }), '/local/a')
  assert.equal(named({ path: '../target', dest: '/local/link' }), '/local/link')
  assert.equal(named({ path: '/local/a', dest: '/local/b' }), '/local/b')
  assert.equal(named({ path: '/localhost/a' }), '/local')
})

test("what is no answer of the disk's stays what it is", () => {
  for (const error of [answer('EMFILE'), answer('EBADF'), new TypeError('x'), new StageError('CHANGED', 'x')])
    assert.equal(asLocalFailure(error, '/local'), error)
})
