import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { completableOptions } from '../../src/cli/command-line.ts'
import { COMPLETION_SHELLS, type CompletionShell, completion } from '../../src/completion/completion.ts'

const TAB = '\t'

/** Keys typed after `conda-stage `, and the resulting words. FOLDER stands for the test's own folder. */
const CASES: Record<string, [string, ...string[]]> = {
  'the name of an action': [`--unst${TAB}`, '--unstage'],
  'the name of an option, ready for its value': [`--activ${TAB}own`, '--activator=own'],
  'a choice after =': [`--check=f${TAB}`, '--check=full'],
  'a choice as a separate word': [`--activator c${TAB}`, '--activator', 'conda'],
  'an optional choice': [`--source=z${TAB}`, '--source=zsh'],
  'a folder but no file for an option that takes a folder': [`--path=FOLDER/a${TAB}`, '--path=FOLDER/a folder'],
  'a folder as a separate word': [`--path FOLDER/a${TAB}`, '--path', 'FOLDER/a folder'],
  'a file for an option that takes a file': [`--output=FOLDER/an${TAB}`, '--output=FOLDER/an.tar.zst'],
  'an environment that conda knows': [`--prefix=/far/e${TAB}`, '--prefix=/far/envs/my'],
  'an environment given by its folder': [`--pack --prefix FOLDER/a${TAB}`, '--pack', '--prefix', 'FOLDER/a folder'],
}

const SHELLS: Record<CompletionShell, { program: string; set: string }> = {
  bash: {
    program: 'bash --norc --noprofile -i',
    set: `bind 'set bell-style none'; conda-stage() { printf '%s\\n' "$@" > words; }`,
  },
  zsh: {
    program: 'zsh -f -i',
    set: `autoload -Uz compinit; compinit -u -D; unsetopt beep; conda-stage() { printf '%s\\n' "$@" > words; }`,
  },
  fish: {
    program: 'fish --no-config -i',
    set: `function conda-stage; printf '%s\\n' $argv > words; end`,
  },
}

/** Types into a shell at a terminal, and returns the arguments that conda-stage is called with. */
function type(shell: CompletionShell, keys: string, folder: string): string[] {
  const { program, set } = SHELLS[shell]
  writeFileSync(join(folder, 'setting'), `${set}\n${completion(shell, completableOptions())}`)
  const { stdout, error } = spawnSync('script', ['-qec', program, '/dev/null'], {
    cwd: folder,
    encoding: 'utf8',
    input: `source ./setting\nconda-stage ${keys}\nexit\n`,
    env: { PATH: '/usr/bin:/bin', HOME: folder, TERM: 'dumb', LANG: 'C.UTF-8' },
    timeout: 60_000,
  })
  assert.equal(error, undefined, stdout)
  return readFileSync(join(folder, 'words'), 'utf8').trimEnd().split('\n')
}

for (const shell of COMPLETION_SHELLS) {
  describe(`${shell} completes`, () => {
    for (const [title, [keys, ...words]] of Object.entries(CASES)) {
      // fish puts a blank after an option, not the equals sign.
      const expected = shell === 'fish' && keys.endsWith('own') ? ['--activator', 'own'] : words
      test(title, () => {
        const folder = mkdtempSync(join(tmpdir(), 'completion-'))
        try {
          mkdirSync(join(folder, 'a folder'))
          writeFileSync(join(folder, 'an.tar.zst'), '')
          mkdirSync(join(folder, '.conda'))
          writeFileSync(join(folder, '.conda/environments.txt'), '/far/envs/my\n/other\n')
          const typed = type(shell, keys.replace('FOLDER', folder), folder)
          assert.deepEqual(
            typed.map((word) => word.replace(/\/$/, '')),
            expected.map((word) => word.replace('FOLDER', folder)),
          )
        } finally {
          rmSync(folder, { recursive: true })
        }
      })
    }
  })
}

test('every shell completes all options that --help lists, and none that it hides', () => {
  const options = completableOptions()
  for (const shell of COMPLETION_SHELLS) {
    const code = completion(shell, options)
    assert.doesNotMatch(code, /@[A-Z]+@|finish-unstage|undefined/)
    for (const { names } of options) {
      const name = names.at(-1)!
      assert.ok(code.includes(shell === 'fish' ? `-l ${name.slice(2)} ` : name), `${shell} ${name}`)
    }
  }
})

test('--completion prints the code for the named or the calling shell, and fails if there is none for it', () => {
  const launcher = join(import.meta.dirname, '../../bin/conda-stage')
  const run = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: 'utf8' })
  assert.equal(run(launcher, '--completion=fish').stdout, completion('fish', completableOptions()))
  assert.equal(run('zsh', '-fc', '$1 --completion; :', 'zsh', launcher).stdout, completion('zsh', completableOptions()))
  const { status, stdout, stderr } = run(launcher, '--completion')
  assert.deepEqual([status, stdout], [2, ''])
  assert.match(stderr, /^ERROR: --completion does not support node\n.*--completion=bash/)
})
