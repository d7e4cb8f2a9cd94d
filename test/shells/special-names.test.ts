import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyRefused } from '../../src/activate/special-names.ts'
import { evaluatedLater, namesOf, outcomes, REAL_SHELLS, type RealShell, type Trial } from './own-variables.ts'

/** Names of which it is known that some shell treats them in its own way. */
const FURTHER = [
  ...'RANDOM SRANDOM SECONDS LINENO OPTIND OPTARG PPID UID EUID GID EGID PWD OLDPWD SHLVL COLUMNS LINES IFS HISTSIZE'.split(
    ' ',
  ),
  ...'TMOUT MAILCHECK FUNCNEST STATUS ENV BASH_ENV PS0 PS1 PS2 PS3 PS4 PROMPT_COMMAND RPS1 SPROMPT'.split(' '),
  ...'status argv history path version prompt signals'.split(' '),
]

/** A locale that is unknown, which ksh93 does not take, and others complain about. */
const LOCALE = /^(?:LANG|LC_\w+)$/

const allowed = ({ dialect }: RealShell, trial: Trial) =>
  !LOCALE.test(trial.name) && whyRefused(dialect, trial.name, trial.value) === undefined

for (const shell of REAL_SHELLS) {
  const names = namesOf(shell, FURTHER)
  const trials = (values: string[]): Trial[] =>
    names.flatMap((name) => values.map((value) => ({ name, value }))).filter((trial) => allowed(shell, trial))

  test(`${shell.name}: whatever an environment's variable is called, its value arrives as it is, or the table names it`, () => {
    assert.ok(names.includes(shell.dialect === 'tcsh' ? 'prompt' : 'PWD'))
    const tried = trials(['a[$(MARK)]', '7'])
    const found = outcomes(shell, tried)
    const misses = tried.flatMap(({ name, value }, at) =>
      found[at] === 'well' ? [] : [`${name}=${value}: ${found[at]}`],
    )
    assert.deepEqual(misses, [])
  })

  if (shell.interactive)
    test(`${shell.name}: no variable that an environment may set is evaluated at a prompt, in a trace or by another shell`, () => {
      const late = evaluatedLater(shell, trials(['$(MARK)', 'MARK #']))
      assert.deepEqual(
        late.map(({ name, value }) => `${name}=${value}`),
        [],
      )
    })
}

test('the trials find variables that shells evaluate, refuse or change', () => {
  const bash = REAL_SHELLS[0]!
  const tried = ['RANDOM', 'PPID', 'BASHPID', 'A'].map((name) => ({ name, value: 'a[$(MARK)]' }))
  assert.deepEqual(outcomes(bash, tried), ['evaluated', 'has another value', 'has another value', 'well'])
  const late = evaluatedLater(bash, [
    { name: 'PROMPT_COMMAND', value: 'MARK' },
    { name: 'A', value: 'MARK' },
  ])
  assert.deepEqual(late, [{ name: 'PROMPT_COMMAND', value: 'MARK' }])
  const dash = REAL_SHELLS.find(({ name }) => name === 'dash')!
  assert.deepEqual(outcomes(dash, [{ name: 'OPTIND', value: '7' }]), ['ended the session'])
})

test('a number is allowed where the shell would evaluate anything else, and a plain file name where it would expand one', () => {
  const verdicts = [
    ['OPTIND', '3'],
    ['OPTIND', '3+x'],
    ['SECONDS', '08'],
    ['BASH_ENV', '/etc/profile'],
    ['BASH_ENV', '$(id)'],
    ['LANG', 'C.UTF-8'],
    ['A', `${'x'.repeat(140_000)}`],
    ['A', 'nul\0'],
    ['A', '\ud800'],
    ['CONDA_PREFIX', '/x'],
    ['__CONDA_STAGE_CODE', '1'],
    ['CONDA_STAGE_PATH', '/x'],
  ].map(([name, value]) => whyRefused('bash', name!, value!) === undefined)
  assert.deepEqual(verdicts, [true, false, false, true, false, true, false, false, false, false, false, true])
})
