import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyToWhole } from '../../src/relocate/apply.ts'
import { planRelocation } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'

const SITE = 'lib/python3.11/site-packages'
const FROM = ['/home/me/envs/x', '/data/me/envs/x']
const STAGED = '/local/stage-of-x/x'

/** The file as it is in the copy. */
function inCopy(path: string, content: string, to = STAGED): string {
  const bytes = Buffer.from(content)
  const scanner = new PrefixScanner(FROM, { path, size: bytes.length })
  scanner.push(bytes)
  const relocation = scanner.finish()
  return relocation ? applyToWhole(bytes, planRelocation(relocation, { path }, FROM, to)).toString() : content
}

test('a relative line of a .pth file that leads out of the environment is absolute in the copy', () => {
  const content = '../../../../src/one\n./../../../../../two/  \r\n'
  assert.equal(inCopy(`${SITE}/a.pth`, content), '/home/me/envs/src/one\n/home/me/two/  \r\n')
})

test('a relative line of a .pth file that leads out of the environment and in again ends in the copy', () => {
  const content = '../../../../x/share/one\n../../../../../../me/envs/x/two\n../../../../../../../data/me/envs/x/three'
  assert.equal(inCopy(`${SITE}/a.pth`, content), '../../../share/one\n../../../two\n../../../three')
})

test('of a .pth file, lines that stay inside the environment, comments, code and blank lines are kept', () => {
  const content = '\uFEFF# ../../../../src\n\nimport sys; sys.path.append("../../../../src")\nsub\n../../share/x\n'
  assert.equal(inCopy(`${SITE}/a.pth`, content), content)
})

test('a .pth file may begin with a byte order mark, hold bytes of any kind, and name the prefix too', () => {
  const content = '\uFEFF../../../../caf\u00e9\n/home/me/envs/x/share\n'
  for (const to of [STAGED, '/local/stage12/x'])
    assert.equal(inCopy(`${SITE}/a.pth`, content, to), `\uFEFF/home/me/envs/caf\u00e9\n${to}/share\n`)
})

test('in an .egg-link file the first line alone is a path to the sources', () => {
  assert.equal(inCopy(`${SITE}/a.egg-link`, '\n../../../../src\n../'), '\n/home/me/envs/src\n../')
})

test('relative paths in other files are kept: nobody knows what they are relative to', () => {
  for (const path of ['share/a.pth', `${SITE}/a.txt`, `${SITE}/package/a.pth`])
    assert.equal(inCopy(path, '../../../../src\n'), '../../../../src\n')
})
