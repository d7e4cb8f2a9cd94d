import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { dialects } from '../../src/activate/dialects.ts'
import { swapEntries } from '../../src/activate/path.ts'

const NASTY = [
  ...['', "'", "''", "it's", "'a''b'", '"', '$HOME $1 $(id) `id`', '\\', '\\n \\', 'a\nb', '\n', 'tail\n\n', '\t \r'],
  ...['!! !x \\!', '-n', '--', '~', '*?[a-z]{a,b}', '# ; & | < > ( )', '=ls', '%s %% \\u', '^a^b', '"\n\\', '@ :q'],
  ...['é 環境 🐍', '\u00a0', '\x01\x7f', ',;+'],
]

function printed(program: string, args: string[], script: string, env: Record<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'quote-'))
  try {
    writeFileSync(join(folder, 'script'), script)
    const { stdout, error } = spawnSync(program, [...args, 'script'], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', HOME: folder, ...env },
    })
    assert.equal(error, undefined, `${program} has to be installed`)
    return stdout.split('\0').slice(0, -1)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('in fish and tcsh a quoted value is one word with exactly that text', () => {
  const settings = ['', 'set backslash_quote', "set histchars = ',;'", 'set noglob nonomatch noclobber']
  for (const setting of settings) {
    for (const LC_ALL of ['C.UTF-8', 'C']) {
      test(`tcsh takes a quoted value as one word with exactly that text: ${LC_ALL}, ${setting || 'plain'}`, () => {
        const lines = NASTY.map(dialects.tcsh.quote).map(
          (word) => `printf '%s\\0' ${word}\nsetenv X ${word}\nif ( x$X:q == x${word} ) /usr/bin/printenv -0 X\n`,
        )
        const words = printed('tcsh', ['-f'], `${setting}\n${lines.join('')}`, { LC_ALL })
        assert.deepEqual(
          words,
          NASTY.flatMap((text) => [text, text]),
        )
      })
    }
  }

  for (const LC_ALL of ['C.UTF-8', 'C']) {
    test(`fish takes a quoted value as one word with exactly that text: ${LC_ALL}`, () => {
      const lines = NASTY.map(dialects.fish.quote).map(
        (word) => `printf '%s\\0' ${word}\nset -gx X ${word}\ntest "$X" = ${word}; and command printenv -0 X\n`,
      )
      const words = printed('fish', ['--no-config'], lines.join(''), { LC_ALL })
      assert.deepEqual(
        words,
        NASTY.flatMap((text) => [text, text]),
      )
    })
  }
})

test('shells that compare entries of PATH whole know those that change, and those that any activation may add', () => {
  const step = { op: 'path' as const, from: ['/e'], keep: ['/e/envs'], to: '/s' }
  const usual = [
    ['/e', '/s'],
    ['/e/bin', '/s/bin'],
  ]
  assert.deepEqual(swapEntries(step), usual)
  const seen = '/e/x:/e2/bin:/e/envs/o/bin::/bin'
  assert.deepEqual(swapEntries({ ...step, seen }), [['/e/x', '/s/x'], ...usual])
})
