import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { quotePosix } from '../../src/activate/quote.ts'

const NASTY = [
  '',
  "'",
  "''",
  "it's",
  "'a''b'",
  '"',
  '$HOME $1 $(id) `id`',
  '\\',
  '\\n \\',
  'a\nb',
  '\n',
  'tail\n\n',
  '\t \r',
  '!! !x',
  '-n',
  '--',
  '~',
  '*?[a-z]{a,b}',
  '# ; & | < > ( )',
  '=ls',
  '%s %% \\u',
  'é 環境 🐍',
  '\u00a0',
  '\x01\x7f',
]

const SHELLS = [
  ['bash', '--norc'],
  ['bash', '--norc', '--posix'],
  ['bash', '--norc', '-H'],
  ['dash'],
  ['zsh', '--no-rcs'],
  ['zsh', '--no-rcs', '-o', 'rc_quotes', '-o', 'sh_word_split', '-o', 'glob_subst', '-o', 'extended_glob'],
]

describe('in POSIX shells a quoted value is one word with exactly that text', () => {
  for (const [program = '', ...args] of SHELLS) {
    test(`${[program, ...args].join(' ')} takes a quoted value as one word with exactly that text`, () => {
      const lines = NASTY.map(
        (text) => `printf '%s\\0' ${quotePosix(text)}\nX=${quotePosix(text)}\nprintf '%s\\0' "$X"\n`,
      )
      const { stdout, error } = spawnSync(program, [...args, '-c', `eval ${quotePosix(lines.join(''))}`], {
        encoding: 'utf8',
      })
      assert.equal(error, undefined, `${program} has to be installed`)
      assert.deepEqual(
        stdout.split('\0').slice(0, -1),
        NASTY.flatMap((text) => [text, text]),
      )
    })
  }
})
