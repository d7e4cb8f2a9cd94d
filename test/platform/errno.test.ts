import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { StageError } from '../../src/errors.ts'
import { errnoOf, meaningOf } from '../../src/platform/errno.ts'

const MODULE = new URL('../../src/platform/errno.ts', import.meta.url)

/** Opens, and writes in two ways, and prints what each failure's errno is taken for. */
const SCRIPT = `
  import { openSync, write, writeSync } from 'node:fs'
  import { errnoOf } from '${MODULE}'
  const path = process.argv[1]
  const print = (error) => console.log(errnoOf(error))
  try { openSync(path, 'r') } catch (error) { print(error) }
  const fd = openSync(path, 'w')
  try { writeSync(fd, 'x') } catch (error) { print(error) }
  write(fd, 'x', print)
`

for (const errno of ['EDQUOT', 'ESTALE', 'EUCLEAN', 'ENOTRECOVERABLE', 'EREMOTEIO', 'EKEYEXPIRED', 'EIO', 'ENOSPC'])
  test(`${errno} of a real call is recognised, whichever of Node's functions made it`, (context) => {
    const path = `${tmpdir()}/errno-test-${process.pid}`
    context.after(() => rmSync(path, { force: true }))
    const inject = ['-P', path, '-e', 'trace=openat,write', '-e', `inject=write:error=${errno}`]
    const opened = ['-e', `inject=openat:error=${errno}:when=1`]
    const node = [process.execPath, '--input-type=module', '-e', SCRIPT, path]
    const { stdout, stderr } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', ...inject, ...opened, ...node], {
      encoding: 'utf8',
    })
    assert.equal(stdout, `${errno}\n`.repeat(3), stderr)
  })

test("what is no answer of the system's has no errno", () => {
  const withCode = (code: unknown) => Object.assign(new Error('x'), { code, errno: -3 })
  for (const error of [undefined, null, 'EIO', new Error('EIO'), new StageError('NO_SPACE', 'x')])
    assert.equal(errnoOf(error), undefined)
  for (const code of ['Z_DATA_ERROR', 'ERR_INVALID_ARG_TYPE', 7]) assert.equal(errnoOf(withCode(code)), undefined)
  assert.equal(errnoOf(Object.assign(new Error('x'), { code: 'UNKNOWN', errno: -9999 })), 'errno 9999')
})

test('an errno is said in words if people know it by them, and always by its name if it is for whoever looks after the disk', () => {
  assert.equal(meaningOf('EDQUOT'), 'your quota is used up')
  assert.equal(meaningOf('EIO'), 'the disk or its server failed (EIO)')
  assert.equal(meaningOf('ESTALE'), 'the file server no longer knows it (ESTALE)')
  assert.equal(meaningOf('ENOEXEC'), 'ENOEXEC')
  assert.equal(meaningOf('constructor'), 'constructor')
})
