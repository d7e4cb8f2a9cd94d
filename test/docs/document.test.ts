/** The test of the pages would find a page that is wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAsShown } from './compare.ts'
import { readPage, sessionsOf } from './document.ts'

const FENCE = '```'

test('a page is wrong if its command prints another word, a line more or a line less', () => {
  const shown = [
    'INFO: Packaging',
    '...',
    'INFO: Total packaging time: 2 seconds',
    'numpy    2.3.5    py313h_0   conda-forge',
  ]
  const printed = [
    'INFO: Packaging',
    'one',
    'two',
    '',
    'INFO: Total packaging time: 71 seconds',
    'numpy  10.1  hb0_0  conda-forge',
  ]
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
  assert.ok(isAsShown(text(printed), shown))
  for (const at of [0, 4, 5]) {
    assert.ok(!isAsShown(text(printed.toSpliced(at, 1)), shown), `without line ${at}`)
    assert.ok(!isAsShown(text(printed.with(at, `${printed[at]} more`)), shown), `another line ${at}`)
  }
  assert.ok(!isAsShown(text(['first', ...printed]), shown))
  assert.ok(!isAsShown(text([...printed, 'last']), shown))
  assert.ok(!isAsShown('', ['INFO: Packaging']))
  assert.ok(!isAsShown('INFO: Packaging\n', []))
})

test('a size or a time on a page stands for any other size or time, and for nothing else', () => {
  const archive = (size: string, time: string) =>
    `INFO: Extracting e.tar.zst (${size} bytes; ${time}) to /s/conda-stage_Ab1\n`
  const shown = [archive('44875966', '2026-11-25 10:12:27 -0700').trimEnd()]
  assert.ok(isAsShown(archive('7', '1999-01-01 00:00:00 +0000'), shown))
  assert.ok(!isAsShown(archive('many', '1999-01-01 00:00:00 +0000'), shown))
  assert.ok(!isAsShown(archive('7', 'now'), shown))
})

test('a page gives its commands with prompts and output, and its files by the names in front of them', () => {
  const { commands, files } = readPage(`Save as \`fit.sh\`:

${FENCE}bash
echo
${FENCE}

${FENCE}console
(base) $ exit
$ ls
#     $ no prompt
${FENCE}`)
  assert.deepEqual(commands, [
    { line: 8, prompt: '(base) $ ', text: 'exit', prints: [] },
    { line: 9, prompt: '$ ', text: 'ls', prints: ['#     $ no prompt'] },
  ])
  assert.deepEqual([...files], [['fit.sh', 'echo\n']])
})

test('a code block that no test would run is an error on a page', () => {
  for (const page of [
    `Text:\n${FENCE}bash\necho\n${FENCE}`,
    `${FENCE}\n$ ls\n${FENCE}`,
    `${FENCE}console\nls\n${FENCE}`,
    `${FENCE}console\n${FENCE}`,
    `${FENCE}console\n$ ls`,
    `1. In a list:\n\n   ${FENCE}console\n   $ ls\n   ${FENCE}`,
  ])
    assert.throws(() => readPage(page), /^AssertionError.*: line \d+: /, page)
})

test('a page may have blocks of other kinds, but no prompt in them that nobody would run', () => {
  const page = (language: string, line: string) => `${FENCE}${language}\n${line}\n${FENCE}`
  const [{ text, prints } = assert.fail()] = sessionsOf(`${page('bash', 'ls')}\n${page('console', '$ ls\nfile')}`)
  assert.deepEqual([text, prints], ['ls', ['file']])
  for (const block of [page('', '$ ls'), page('bash', '(base) $ ls'), page('', '  $ ls')])
    assert.throws(() => sessionsOf(block), /^AssertionError.*: line 1: a session is a console block/, block)
})
