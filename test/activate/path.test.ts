import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { swapPath } from '../../src/activate/path.ts'
import { quotePosix } from '../../src/activate/quote.ts'
import { render } from '../../src/activate/render.ts'
import type { PathStep } from '../../src/activate/steps.ts'

const STEP: PathStep = {
  op: 'path',
  from: ['/e/my env', '/real/[x]*'],
  keep: ['/e/my env/envs', '/e/my env/condabin'],
  to: "/local/it's",
  exact: { when: '/a:/b', becomes: '/was' },
}

const CASES: [string, string, string][] = [
  ['the bin folder is replaced in its position', '/a:/e/my env/bin:/b', "/a:/local/it's/bin:/b"],
  ['the prefix itself and any folder below are replaced', '/e/my env:/e/my env/x/y', "/local/it's:/local/it's/x/y"],
  [
    'the real spelling is replaced, and its characters are no pattern',
    '/real/[x]*/bin:/real/x/bin',
    "/local/it's/bin:/real/x/bin",
  ],
  [
    'a path that only begins alike stays',
    '/e/my env2/bin:/e/my envs:/x/e/my env/bin',
    '/e/my env2/bin:/e/my envs:/x/e/my env/bin',
  ],
  [
    'envs and condabin of a base prefix stay',
    '/e/my env/envs/o/bin:/e/my env/condabin',
    '/e/my env/envs/o/bin:/e/my env/condabin',
  ],
  ['empty entries stay', '::/e/my env/bin::', "::/local/it's/bin::"],
  ['an empty PATH stays empty', '', ''],
  ['a PATH that is exactly what staging left is restored as a whole', '/a:/b', '/was'],
]

const SHELLS = [
  ['bash', '/bin/bash', '--norc'],
  ['zsh', '/bin/zsh', '--no-rcs'],
  ['sh', '/bin/dash'],
] as const

for (const [title, before, after] of CASES) {
  test(`in PATH, ${title}`, () => {
    assert.equal(swapPath(before, STEP), after)
    // The shells do the same.
    for (const [dialect, program, ...args] of SHELLS) {
      const code = render([STEP], dialect, { flags: '', launcher: '' })
      // Set here, since zsh's system-wide start-up file may give an empty PATH another value.
      const script = `PATH=${quotePosix(before)}\n${code}echo "$PATH"`
      const { stdout, stderr } = spawnSync(program, [...args, '-c', script], { encoding: 'utf8' })
      assert.equal(stdout, `${after}\n`, program + stderr)
    }
  })
}
