import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { readFacts } from '../../src/activate/facts.ts'

let prefix: string

beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), 'facts-'))
})
afterEach(() => rmSync(prefix, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(prefix, path)), { recursive: true })
  writeFileSync(join(prefix, path), text)
}

test("the scripts of the shell's kind run in the order of their names, and in reverse on leaving", () => {
  for (const name of ['b.sh', 'a.sh', 'a.fish', 'a.csh', 'sh', '~.sh', 'B.sh']) {
    write(`etc/conda/activate.d/${name}`, '')
    write(`etc/conda/deactivate.d/${name}`, '')
  }
  const { activateScripts, deactivateScripts } = readFacts(prefix, 'bash')
  const names = ['B.sh', 'a.sh', 'b.sh', '~.sh']
  assert.deepEqual(
    activateScripts,
    names.map((name) => join(prefix, 'etc/conda/activate.d', name)),
  )
  assert.deepEqual(deactivateScripts, names.map((name) => join(prefix, 'etc/conda/deactivate.d', name)).reverse())
})

test('variables of conda-meta/state win over those of packages; PATH, unset ones and names that no shell can export are left out', () => {
  write('etc/conda/env_vars.d/b.json', '{"A": "b", "B": "b"}')
  write('etc/conda/env_vars.d/a.json', '{"A": "a", "C": "a"}')
  write('conda-meta/state', '{"env_vars": {"C": "state", "N": 3, "U": "***unset***", "PATH": "/x", "a-b": "no name"}}')
  assert.deepEqual(readFacts(prefix, 'sh').variables, { A: 'b', B: 'b', C: 'state', N: '3' })
})

test('a prefix that is gone or empty has no variables and no scripts', () => {
  for (const path of [prefix, `${prefix}/gone`]) {
    assert.deepEqual(readFacts(path, 'zsh'), {
      prefix: path,
      real: path.replace(prefix, realpathSync(prefix)),
      variables: {},
      activateScripts: [],
      deactivateScripts: [],
    })
  }
})

test('both spellings of a prefix that is a symbolic link are known', () => {
  mkdirSync(join(prefix, 'real'))
  symlinkSync('real', join(prefix, 'link'))
  const facts = readFacts(join(prefix, 'link'), 'bash')
  assert.deepEqual([facts.prefix, facts.real], [join(prefix, 'link'), realpathSync(join(prefix, 'real'))])
})

test('a file of variables that is not JSON is an error that names the file', () => {
  write('conda-meta/state', '{')
  assert.throws(() => readFacts(prefix, 'bash'), {
    name: 'StageError',
    code: 'UNREADABLE',
    path: join(prefix, 'conda-meta/state'),
  })
})
