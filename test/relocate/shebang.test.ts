/** Scripts whose first line gets too long for the kernel, really run. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, describe, test } from 'node:test'
import { relocate } from './helpers.ts'

const root = mkdtempSync(`${tmpdir()}/shebang-`)
after(() => rmSync(root, { recursive: true }))

const program = (name: string): string =>
  execFileSync('sh', ['-c', `readlink -f "$(command -v ${name})"`], { encoding: 'utf8' }).trim()

/** A prefix of that name with interpreters in it. */
function prefixNamed(name: string): string {
  const prefix = `${root}/${name}`
  mkdirSync(`${prefix}/bin`, { recursive: true })
  symlinkSync(program('python3'), `${prefix}/bin/python`)
  symlinkSync(program('perl'), `${prefix}/bin/perl`)
  return prefix
}

const LONG = 'l'.repeat(140)
const P = '/a/env'
const ARGUMENTS = ['1', 'two words', '$x']

/** What a script has as its text, in latin1, and what it prints. */
const SCRIPTS: Record<string, [text: string, prints: string]> = {
  'a docstring before an import from __future__': [
    `#!${P}/bin/python\n"""Doc."""\nfrom __future__ import annotations\nprint(__doc__)\n`,
    'Doc.\n',
  ],
  'a comment and a docstring before an import from __future__': [
    `#!${P}/bin/python\n# A comment.\n\n'''Doc.'''\nfrom __future__ import annotations\nprint(__doc__)\n`,
    'Doc.\n',
  ],
  'no docstring': [`#!${P}/bin/python\nprint(__doc__)\n`, 'None\n'],
  'an encoding in line 2': [`#!${P}/bin/python\n# -*- coding: latin-1 -*-\nprint(len("caf\xe9"))\n`, '4\n'],
  "an encoding in vim's words": [`#!${P}/bin/python\n# vim: set fileencoding=latin-1 :\nprint(len("\xe9"))\n`, '1\n'],
  'an encoding, a docstring and an import from __future__': [
    `#!${P}/bin/python\n# coding=latin-1\n"""\xe9"""\nfrom __future__ import division\nprint(len(__doc__))\n`,
    '1\n',
  ],
  'Windows line ends': [`#!${P}/bin/python\r\n"""Doc."""\r\nprint("ran")\r\n`, 'ran\n'],
  'Windows line ends and an encoding': [`#!${P}/bin/python\r\n# coding: latin-1\r\nprint(len("\xe9"))\r\n`, '1\n'],
  'an option': [`#!${P}/bin/python -S\nimport sys\nprint(sys.flags.no_site)\n`, '1\n'],
  'several options': [`#! ${P}/bin/python -S -B \nimport sys\nprint(sys.flags.no_site)\n`, '1\n'],
  'an option with blanks between quotes': [
    `#!${P}/bin/python -Xa="b  c"\nimport sys\nprint(sys._xoptions)\n`,
    `{'a': '"b  c"'}\n`,
  ],
  'env in front of its interpreter': [`#!/usr/bin/env ${P}/bin/python\nprint("ran")\n`, 'ran\n'],
  'env, a variable and a quoted interpreter': [
    `#!/usr/bin/env -S A=b "${P}/bin/python" -B '-Xc=d e'\nimport os, sys\nprint(os.environ["A"], sys._xoptions)\n`,
    "b {'c': 'd e'}\n",
  ],
  "pip's polyglot": [`#!/bin/sh\n'''exec' "${P}/bin/python" "$0" "$@"\n' '''\nprint("ran")\n`, 'ran\n'],
  Perl: [`#!${P}/bin/perl -w\nprint "ran $^W\\n", <DATA>;\n__END__\ndata\n`, 'ran 1\ndata\n'],
}

/** Writes a script into a prefix, and gives what it prints. */
function run(prefix: string, text: string): string {
  const file = `${prefix}/bin/script`
  writeFileSync(file, relocate(Buffer.from(text, 'latin1'), [P], prefix), { mode: 0o755 })
  return execFileSync(file, ARGUMENTS, { encoding: 'latin1', env: { PATH: '/usr/bin:/bin' } }).replaceAll('\r', '')
}

for (const [where, name] of Object.entries({ 'a long path': LONG, 'a path with blanks and quotes': `a b'c"d$e\\f` })) {
  describe(`in ${where}, a script runs that has`, () => {
    const prefix = prefixNamed(name)
    for (const [what, [text, prints]] of Object.entries(SCRIPTS))
      test(what, () => assert.equal(run(prefix, text), prints))
  })
}

test('a script gets its own name and its arguments as they are, whichever shell is sh', () => {
  const prefix = prefixNamed(`${LONG}-arguments`)
  run(prefix, `#!${P}/bin/python\n`)
  const text = readFileSync(`${prefix}/bin/script`, 'latin1')
  writeFileSync(`${prefix}/bin/script`, `${text}import sys\nprint(sys.argv)\n`)
  for (const shell of ['dash', 'bash', 'zsh'])
    assert.equal(
      execFileSync(shell, [`${prefix}/bin/script`, ...ARGUMENTS], { encoding: 'utf8' }),
      `['${prefix}/bin/script', '1', 'two words', '$x']\n`,
      shell,
    )
})

test('a path that reads like the declaration of an encoding is not taken for one', () => {
  const prefix = prefixNamed(`coding=x-${LONG}`)
  assert.equal(run(prefix, `#!${P}/bin/python\nprint("ran")\n`), 'ran\n')
})

test('a script that was relocated to a long path can be relocated again', () => {
  const texts = Object.values(SCRIPTS).concat([[`#!${P}/bin/python\nprint("coding=")\n`, 'coding=\n']])
  const [first, second, third] = [`coding:${LONG}`, "it's far", `${LONG}-again`].map(prefixNamed)
  for (const [text, prints] of texts) {
    run(first!, text)
    const again = (from: string, to: string): string => {
      const data = relocate(readFileSync(`${from}/bin/script`), [from], to)
      writeFileSync(`${to}/bin/script`, data, { mode: 0o755 })
      return execFileSync(`${to}/bin/script`, { encoding: 'latin1' }).replaceAll('\r', '')
    }
    assert.equal(again(first!, second!), prints, text)
    assert.equal(again(second!, third!), prints, text)
  }
})
