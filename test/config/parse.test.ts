import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/parse.ts'

const mistakes = (text: string) =>
  parseConfig(text).mistakes.map(({ line, key, message }) => [line, key, message] as const)

test('a file gives the values of its keys, which are the names of the options', () => {
  const text = `
# the node's own disks
local-folders:
  - /nvme/{job}
  - "~/scratch/{user}"   # a comment
writable: true
check: full
threads: 4
archive-folder: /archives/{user}
retention-days: unlimited
`
  assert.deepEqual(parseConfig(text), {
    values: {
      localFolders: ['/nvme/{job}', '~/scratch/{user}'],
      writable: true,
      check: 'full',
      threads: 4,
      archiveFolder: '/archives/{user}',
      retentionDays: Number.POSITIVE_INFINITY,
    },
    mistakes: [],
  })
})

test('an empty file, or one of comments, holds nothing and is no mistake', () => {
  for (const text of ['', '\n', '# nothing\n', '---\n'])
    assert.deepEqual(parseConfig(text), { values: {}, mistakes: [] })
})

test('an unknown key is told with its line and the one that was probably meant', () => {
  assert.deepEqual(mistakes('writable: true\nchekc: full\n'), [
    [2, 'chekc', "there is no such setting; did you mean 'check'?"],
  ])
  const meant = (key: string) => /did you mean '(.*)'\?$/.exec(mistakes(`${key}: 1`)[0]![2])?.[1]
  assert.equal(meant('local_folders'), 'local-folders')
  assert.equal(meant('Treads'), 'threads')
  assert.equal(meant('retention_days'), 'retention-days')
  assert.equal(meant('path'), 'local-folders: [DIR]')
  assert.equal(meant('quiet'), 'verbosity: quiet')
  assert.equal(meant('colour-of-the-sky'), undefined)
})

test('a wrong value is told with what the key takes', () => {
  const cases: [string, string][] = [
    ['check: ful', "it is 'ful', and takes quick or full; did you mean 'full'?"],
    ['check: 1', 'it is 1, and takes quick or full'],
    ['writable: yes', "it is 'yes', and takes true or false"],
    ['writable:', 'it is empty, and takes true or false'],
    ['threads: 0', 'it is 0, and takes a whole number from 1 to 1024'],
    ['threads: 2.5', 'it is 2.5, and takes a whole number from 1 to 1024'],
    ['threads: unlimited', "it is 'unlimited', and takes a whole number from 1 to 1024"],
    ['retention-days: never', "it is 'never', and takes a whole number from 1 to 36500, or 'unlimited'"],
    ['compress-level: 20', 'it is 20, and takes a whole number from 1 to 19'],
    [
      'archive-folder: cache',
      "it is 'cache', and takes an absolute path or one that begins with ~/, in which {user} is replaced",
    ],
    [
      'archive-folder: /a/{job}',
      "it is '/a/{job}', and takes an absolute path or one that begins with ~/, in which {user} is replaced",
    ],
    [
      'local-folders: /scratch',
      "it is '/scratch', and takes a list of paths, absolute or beginning with ~/, in which {user} and {job} are replaced",
    ],
    [
      'local-folders: ["/{jobid}"]',
      'it is ["/{jobid}"], and takes a list of paths, absolute or beginning with ~/, in which {user} and {job} are replaced',
    ],
  ]
  for (const [text, says] of cases) assert.deepEqual(mistakes(`\n${text}`), [[2, text.split(':')[0], says]])
})

test('a mistake does not keep the keys beside it from being taken', () => {
  const { values, mistakes } = parseConfig('check: ful\nthreads: 2\nnothing: 1\n')
  assert.deepEqual(values, { threads: 2 })
  assert.deepEqual(
    mistakes.map(({ line, key }) => [line, key]),
    [
      [1, 'check'],
      [3, 'nothing'],
    ],
  )
})

test('a file that is no YAML is not guessed at, and the line is told', () => {
  const broken = parseConfig('threads: 2\ncheck: full\n  writable: true\n')
  assert.deepEqual(broken.values, {})
  assert.equal(broken.mistakes[0]!.line, 2)
  assert.deepEqual(
    mistakes('threads: 1\nthreads: 2\n').map(([line, , message]) => [line, message]),
    [[2, 'Map keys must be unique']],
  )
  assert.match(mistakes('- threads\n')[0]![2], /no 'KEY: VALUE' lines/)
  assert.match(mistakes('just words')[0]![2], /no 'KEY: VALUE' lines/)
})

test('braces in a short list, which YAML takes for something else, are explained', () => {
  const [[line, , message]] = mistakes('check: full\nlocal-folders: [/scratch/{user}]\n') as [[number, string, string]]
  assert.equal(line, 2)
  assert.match(message, /between \[ and \] a path with \{user\} or \{job\} needs quotes$/)
  assert.deepEqual(mistakes('local-folders: ["/scratch/{user}"]\n'), [])
})
