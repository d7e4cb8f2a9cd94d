import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { swapPath } from '../../src/activate/path.ts'
import { quotePosix } from '../../src/activate/quote.ts'
import { render } from '../../src/activate/render.ts'
import type { PathStep } from '../../src/activate/steps.ts'

/** Rules for one entry each, as a step of its own. */
const MORE: [string, Partial<PathStep>, string, string][] = [
  [
    'an entry that is spelled otherwise is replaced',
    { entries: [['/x//bin/', "/l/it's/bin"]] },
    '/a:/x//bin/:/x//bin/2',
    "/a:/l/it's/bin:/x//bin/2",
  ],
  ['an entry that staging added goes', { entries: [['/gone', null]] }, '/gone:/a:/gone:/gone/b:', '/a:/gone/b:'],
  ['the copy goes in front if it is not there', { first: "/l/it's/bin" }, '/a:/b', "/l/it's/bin:/a:/b"],
  ['the copy goes in front of an empty PATH', { first: '/l/bin' }, '', '/l/bin:'],
  [
    'the copy keeps its position if it is there',
    { first: '/local/bin', from: ['/e'], to: '/local' },
    '/a:/e/bin',
    '/a:/local/bin',
  ],
  ['an entry below the copy is not the copy', { first: '/l/bin' }, '/l/bin/x:/x/l/bin', '/l/bin:/l/bin/x:/x/l/bin'],
]

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
  ['a path that differs only in case stays', '/E/My Env/bin:/REAL/[x]*/bin', '/E/My Env/bin:/REAL/[x]*/bin'],
  ['empty entries stay', '::/e/my env/bin::', "::/local/it's/bin::"],
  ['an empty PATH stays empty', '', ''],
  ['a PATH that is exactly what staging left is restored as a whole', '/a:/b', '/was'],
]

const SHELLS = [
  ['bash', '/bin/bash', '--norc'],
  ['zsh', '/bin/zsh', '--no-rcs'],
  ['sh', '/bin/dash'],
] as const

const none = { op: 'path', from: [], keep: [], to: '' } as const
const all = [
  ...CASES.map(([title, before, after]) => ({ title, step: STEP, before, after })),
  ...MORE.map(([title, more, before, after]) => ({ title, step: { ...none, ...more } as PathStep, before, after })),
]

for (const { title, step, before, after } of all) {
  test(`in PATH, ${title}`, () => {
    assert.equal(swapPath(before, step), after)
    // The shells do the same.
    for (const [dialect, program, ...args] of SHELLS) {
      const code = render([step], dialect, { flags: '', launcher: '' })
      // Set here, since zsh's system-wide start-up file may give an empty PATH another value.
      const setting = dialect === 'bash' ? 'shopt -s nocasematch' : ''
      const script = `${setting}\nPATH=${quotePosix(before)}\n${code}echo "$PATH"`
      const { stdout, stderr } = spawnSync(program, [...args, '-c', script], { encoding: 'utf8' })
      assert.equal(stdout, `${after}\n`, program + stderr)
    }
  })
}
