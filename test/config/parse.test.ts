import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseConfig } from '../../src/config/parse.ts'
import { SETTINGS } from '../../src/config/settings.ts'

const parse = (text: string) => parseConfig(Buffer.from(text))

const mistakes = (text: string) => parse(text).mistakes.map(({ line, key, message }) => [line, key, message] as const)

test('the keys of a configuration file are the names of the options', () => {
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
  assert.deepEqual(parse(text), {
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

test('an empty configuration file, or one with comments only, is valid', () => {
  for (const text of ['', '\n', '# nothing\n', '---\n']) assert.deepEqual(parse(text), { values: {}, mistakes: [] })
})

test('an unknown key is reported with its line and the key that was probably meant', () => {
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
  // Every object of JavaScript has these.
  for (const key of ['constructor', 'toString', '__proto__']) assert.equal(meant(key), undefined, key)
})

test('a wrong value is reported together with the values that the key takes', () => {
  const cases: [string, string][] = [
    ['check: ful', "it is 'ful', but takes quick or full; did you mean 'full'?"],
    ['check: 1', 'it is 1, but takes quick or full'],
    ['writable: yes', "it is 'yes', but takes true or false"],
    ['writable:', 'it is empty, but takes true or false'],
    ['threads: 0', 'it is 0, but takes a whole number from 1 to 1024'],
    ['threads: .inf', 'it is .inf, but takes a whole number from 1 to 1024'],
    ['threads: -.Inf', 'it is -.Inf, but takes a whole number from 1 to 1024'],
    ['threads: .nan', 'it is .nan, but takes a whole number from 1 to 1024'],
    ['threads: 0x1F40', 'it is 0x1F40, but takes a whole number from 1 to 1024'],
    ['threads: [.NaN, {a: -.inf}]', 'it is [.nan,{"a":-.inf}], but takes a whole number from 1 to 1024'],
    ['threads: 2.5', 'it is 2.5, but takes a whole number from 1 to 1024'],
    ['threads: unlimited', "it is 'unlimited', but takes a whole number from 1 to 1024"],
    ['retention-days: never', "it is 'never', but takes a whole number from 1 to 36500, or 'unlimited'"],
    ['compress-level: 20', 'it is 20, but takes a whole number from 0 to 19'],
    [
      'archive-folder: cache',
      "it is 'cache', but takes an absolute path or one that begins with ~/, which may contain {user}",
    ],
    [
      'archive-folder: /a/{job}',
      "it is '/a/{job}', but takes an absolute path or one that begins with ~/, which may contain {user}",
    ],
    [
      'local-folders: /scratch',
      "it is '/scratch', but takes a list of paths, absolute or beginning with ~/, which may contain {user} and {job}",
    ],
    [
      'local-folders: ["/{jobid}"]',
      'it is ["/{jobid}"], but takes a list of paths, absolute or beginning with ~/, which may contain {user} and {job}',
    ],
  ]
  for (const [text, says] of cases) assert.deepEqual(mistakes(`\n${text}`), [[2, text.split(':')[0], says]])
})

test('a mistake in one key does not affect the others', () => {
  const { values, mistakes } = parse('check: ful\nthreads: 2\nnothing: 1\n')
  assert.deepEqual(values, { threads: 2 })
  assert.deepEqual(
    mistakes.map(({ line, key }) => [line, key]),
    [
      [1, 'check'],
      [3, 'nothing'],
    ],
  )
})

test('nothing is taken from a file that is not YAML, and the message names the line', () => {
  const broken = parse('threads: 2\ncheck: full\n  writable: true\n')
  assert.deepEqual(broken.values, {})
  assert.equal(broken.mistakes[0]!.line, 2)
  assert.deepEqual(
    mistakes('threads: 1\nthreads: 2\n').map(([line, , message]) => [line, message]),
    [[2, 'it is there twice']],
  )
  assert.match(mistakes('- threads\n')[0]![2], /no 'KEY: VALUE' lines/)
  assert.match(mistakes('threads: 1\n---\nthreads: 2\n')[0]![2], /there may be only one/)
  assert.match(mistakes('just words')[0]![2], /no 'KEY: VALUE' lines/)
})

test('a value that refers to itself, and a text that is nested deeply or is no text, are mistakes with their line, found in seconds', () => {
  const said = (text: string | Buffer) => {
    const { values, mistakes } = parseConfig(Buffer.from(text))
    assert.deepEqual(values, {})
    return mistakes.slice(0, 1).map(({ line, message }) => [line, message])[0]
  }
  const itself = 'it refers to itself, or is nested too deeply'
  assert.deepEqual(said('\nlocal-folders: &a\n  - *a\n'), [2, itself])
  assert.deepEqual(said('\n\nthreads: &a {b: *a}\n'), [3, itself])
  assert.deepEqual(said('# a comment\nthreads: \0\n'), [2, 'it holds the control character 0x00'])
  assert.deepEqual(said('threads: "\u202e"\ncheck: \x9b\n'), [2, 'it holds the control character 0x9b'])
  assert.deepEqual(said(Buffer.from('# caf\xc3\xa9\n\ncheck: \xff\n', 'latin1')), [3, 'it is not UTF-8'])
  for (const part of [
    '[',
    '{',
    '{a: ',
    '[{',
    '- ',
    '? ',
    '{? ',
    '&a ',
    '!!a ',
    ': ',
    ',',
    '"',
    "'",
    '\n[',
    '|\n ',
    '%TAG a\n',
  ]) {
    const text = `\nthreads: ${part.repeat(32_000 / part.length)}`
    assert.equal(typeof said(text)?.[1], 'string', part)
    said(text.slice(1 + 'threads: '.length))
    said(`local-folders: [${part.repeat(32_000 / part.length)}`)
  }
  said(Array.from({ length: 9000 }, (_, at) => `k${at}: 1`).join('\n'))
  said(Array.from({ length: 300 }, (_, at) => `${' '.repeat(at)}? `).join('\n'))
})

test('whatever bytes a configuration file holds, it gives settings or mistakes with a line', () => {
  const pieces = [
    'threads',
    'local-folders',
    ':',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '!!',
    '? ',
    '|',
    '"',
    '\n',
    ' ',
    '1',
    '/x',
    '#',
  ]
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => Buffer.from(parts.join(''))),
  )
  const isSound = (bytes: Buffer): void => {
    const { values, mistakes } = parseConfig(bytes)
    for (const name of Object.keys(values)) assert.ok(name in SETTINGS)
    for (const { line, message } of mistakes) assert.ok(line! >= 1 && message !== '')
  }
  fc.assert(fc.property(texts, isSound), { numRuns: 3000 })
})

test('a list in brackets that holds an unquoted {user} gets a hint about quotes', () => {
  const [[line, , message]] = mistakes('check: full\nlocal-folders: [/scratch/{user}]\n') as [[number, string, string]]
  assert.equal(line, 2)
  assert.match(message, /between \[ and \], put a path with \{user\} or \{job\} into quotes$/)
  assert.deepEqual(mistakes('local-folders: ["/scratch/{user}"]\n'), [])
})
