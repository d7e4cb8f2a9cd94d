import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
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

test("the scripts of the shell's kind run in the order of their names, and in reverse on leaving", async () => {
  for (const name of ['b.sh', 'a.sh', 'a.fish', 'a.csh', 'sh', '~.sh', 'B.sh']) {
    write(`etc/conda/activate.d/${name}`, '')
    write(`etc/conda/deactivate.d/${name}`, '')
  }
  const { activateScripts, deactivateScripts } = await readFacts(prefix, 'bash')
  const names = ['B.sh', 'a.sh', 'b.sh', '~.sh']
  assert.deepEqual(
    activateScripts,
    names.map((name) => join(prefix, 'etc/conda/activate.d', name)),
  )
  assert.deepEqual(deactivateScripts, names.map((name) => join(prefix, 'etc/conda/deactivate.d', name)).reverse())
})

test('a FIFO, a folder and a device among the scripts are left out, because a shell would wait for them for ever', async () => {
  for (const folder of ['activate.d', 'deactivate.d']) {
    const path = join(prefix, 'etc/conda', folder)
    write(`etc/conda/${folder}/mine.sh`, '')
    execFileSync('mkfifo', [`${path}/fifo.sh`])
    mkdirSync(`${path}/folder.sh`)
    symlinkSync('/dev/zero', `${path}/zero.sh`)
    symlinkSync('mine.sh', `${path}/also.sh`)
  }
  const { activateScripts, deactivateScripts } = await readFacts(prefix, 'bash')
  const names = ['also.sh', 'mine.sh']
  assert.deepEqual(
    activateScripts.map((path) => basename(path)),
    names,
  )
  assert.deepEqual(
    deactivateScripts.map((path) => basename(path)),
    names.toReversed(),
  )
})

test('a file of variables that is huge, nested deeply or a device never stops a session for long', async () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  write('etc/conda/env_vars.d/deep.json', `{"A":${deep}}`)
  write('etc/conda/env_vars.d/large.json', `{"A":"${'x'.repeat(5_000_000)}"}`)
  symlinkSync('/dev/zero', join(prefix, 'etc/conda/env_vars.d/zero.json'))
  write('conda-meta/state', `{"env_vars":{"B":"b"},"x":${deep.slice(0, 300)}${deep.slice(-300)}}`)
  const { variables, unreadable, notTaken } = await readFacts(prefix, 'bash')
  assert.deepEqual(variables, { B: 'b' })
  assert.deepEqual(
    unreadable.map(({ path }) => basename(path!)),
    ['deep.json', 'large.json'],
  )
  assert.deepEqual(notTaken, [`${prefix}/etc/conda/env_vars.d/zero.json is a device; conda-stage ignores it`])
})

test('variables of conda-meta/state win over those of packages; PATH, unset ones and names that no shell can export are left out', async () => {
  write('etc/conda/env_vars.d/b.json', '{"A": "b", "B": "b"}')
  write('etc/conda/env_vars.d/a.json', '{"A": "a", "C": "a"}')
  write('conda-meta/state', '{"env_vars": {"C": "state", "N": 3, "U": "***unset***", "PATH": "/x", "a-b": "no name"}}')
  assert.deepEqual((await readFacts(prefix, 'sh')).variables, { A: 'b', B: 'b', C: 'state', N: '3' })
})

test('a prefix that is gone or empty has no variables and no scripts', async () => {
  for (const path of [prefix, `${prefix}/gone`]) {
    assert.deepEqual(await readFacts(path, 'zsh'), {
      prefix: path,
      real: path.replace(prefix, realpathSync(prefix)),
      variables: {},
      unreadable: [],
      notTaken: [],
      otherSpellings: {},
      activateScripts: [],
      deactivateScripts: [],
    })
  }
})

test('both spellings of a prefix that is a symbolic link are known', async () => {
  mkdirSync(join(prefix, 'real'))
  symlinkSync('real', join(prefix, 'link'))
  const facts = await readFacts(join(prefix, 'link'), 'bash')
  assert.deepEqual([facts.prefix, facts.real], [join(prefix, 'link'), realpathSync(join(prefix, 'real'))])
})

test('a file of variables that is not JSON is an error that names the file, and the other files count', async () => {
  write('conda-meta/state', '{')
  write('etc/conda/env_vars.d/a.json', '{"A": "a"}')
  const { unreadable, variables } = await readFacts(prefix, 'bash')
  assert.deepEqual(
    unreadable.map(({ code, path }) => [code, path]),
    [['UNREADABLE', join(prefix, 'conda-meta/state')]],
  )
  assert.deepEqual(variables, { A: 'a' })
})

test('folders, FIFOs and dangling links in env_vars.d, and files without an object, are passed over', async () => {
  const folder = join(prefix, 'etc/conda/env_vars.d')
  mkdirSync(join(folder, '.ipynb_checkpoints'), { recursive: true })
  execFileSync('mkfifo', [join(folder, 'fifo')])
  symlinkSync('/nowhere', join(folder, 'dangling'))
  for (const text of ['[1]', '"text"', 'null', '3']) write(`etc/conda/env_vars.d/${text}.json`, text)
  mkdirSync(join(prefix, 'conda-meta/state'), { recursive: true })
  const { variables, unreadable, notTaken } = await readFacts(prefix, 'bash')
  assert.deepEqual([variables, unreadable], [{}, []])
  assert.deepEqual(notTaken, [`${folder}/fifo is a FIFO; conda-stage ignores it`])
})

test('values that are no strings become what Python makes of them, and null is what conda unsets', async () => {
  const values: Record<string, [json: string, python: string]> = {
    BIG: ['12345678901234567890', '12345678901234567890'],
    ZERO: ['-0', '0'],
    WHOLE: ['1.0', '1.0'],
    LARGE: ['1e22', '1e+22'],
    LAST: ['1e15', '1000000000000000.0'],
    SMALL: ['0.0001', '0.0001'],
    TINY: ['0.00001234', '1.234e-05'],
    INFINITE: ['1e400', 'inf'],
    NO_NUMBERS: ['[NaN, Infinity, -Infinity, "NaN \\" Infinity"]', `[nan, inf, -inf, 'NaN " Infinity']`],
    NO_NUMBER: ['NaN', 'nan'],
    ON: ['true', 'True'],
    OFF: ['false', 'False'],
    LIST: [`[1, 2.50, "it's", null, [true]]`, `[1, 2.5, "it's", None, [True]]`],
    DICT: ['{"k": "a\\"b\\n\\u00e9\\u200b", "e": {}}', `{'k': 'a"b\\né\\u200b', 'e': {}}`],
    TEXT: ['"\\u00e9 \\ud83d\\udc0d"', 'é 🐍'],
  }
  const json = Object.entries(values).map(([name, [text]]) => `"${name}": ${text}`)
  write('conda-meta/state', `{"env_vars": {${json.join(', ')}, "NONE": null}}`)
  const expected = Object.fromEntries(Object.entries(values).map(([name, [, text]]) => [name, text]))
  assert.deepEqual((await readFacts(prefix, 'bash')).variables, { ...expected, NONE: '' })
  for (const dialect of ['fish', 'tcsh'] as const) assert.equal((await readFacts(prefix, dialect)).variables.NONE, null)
})

test('variables that a shell refuses, evaluates or changes are left out in that shell, and named', async () => {
  const variables = { RANDOM: 'a[$(id)]', LINENO: '1', V: 'a\0b', UID: '1', OPTIND: '2', A: 'a' }
  write('conda-meta/state', JSON.stringify({ env_vars: variables }))
  write('etc/conda/env_vars.d/a.json', '{"PS4": "$(id)"}')
  const { variables: taken, notTaken } = await readFacts(prefix, 'bash')
  assert.deepEqual(taken, { OPTIND: '2', A: 'a' })
  assert.deepEqual(notTaken, [
    `The variable PS4 in ${prefix}/etc/conda/env_vars.d/a.json is not set: shells evaluate it`,
    `The variable RANDOM in ${prefix}/conda-meta/state is not set: bash keeps it for itself`,
    `The variable LINENO in ${prefix}/conda-meta/state is not set: bash keeps it for itself`,
    `The variable V in ${prefix}/conda-meta/state is not set: no variable can hold its value, which contains NUL`,
    `The variable UID in ${prefix}/conda-meta/state is not set: bash keeps it for itself`,
  ])
  assert.deepEqual((await readFacts(prefix, 'fish')).variables, {
    RANDOM: 'a[$(id)]',
    LINENO: '1',
    UID: '1',
    OPTIND: '2',
    A: 'a',
  })
})

test('what a shell does with a variable depends on the name under which it is exported', async () => {
  write('conda-meta/state', '{"env_vars": {"status": "a"}}')
  // conda exports it as STATUS, except if it finds `status` in the session, and no STATUS.
  assert.deepEqual((await readFacts(prefix, 'zsh')).variables, { status: 'a' })
  assert.deepEqual((await readFacts(prefix, 'zsh', { status: '1' })).variables, {})
})

test('entries of PATH that spell the environment through a link, //, /./ or a trailing slash are known', async () => {
  mkdirSync(join(prefix, 'real/env/bin'), { recursive: true })
  mkdirSync(join(prefix, 'real/env/envs/other/bin'), { recursive: true })
  mkdirSync(join(prefix, 'real/env2/bin'), { recursive: true })
  symlinkSync('real', join(prefix, 'link'))
  const env = join(prefix, 'real/env')
  const others = [
    `${env}//bin`,
    `${env}/bin/`,
    `${prefix}/./real/env/bin`,
    `${prefix}/link/env/bin`,
    `${prefix}/link/env`,
  ]
  const own = [`${env}/bin`, env, `${prefix}/link/env2/bin`, `${prefix}/link/env/envs/other/bin`, '/usr/bin', '', 'bin']
  const { otherSpellings } = await readFacts(env, 'bash', { PATH: [...others, ...own].join(':') })
  assert.deepEqual(otherSpellings, {
    [others[0]!]: '/bin',
    [others[1]!]: '/bin',
    [others[2]!]: '/bin',
    [others[3]!]: '/bin',
    [others[4]!]: '',
  })
})
