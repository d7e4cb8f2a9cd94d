import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PrefixFacts } from '../../src/activate/facts.ts'
import { swapPath } from '../../src/activate/path.ts'
import { planStage, planUnstage } from '../../src/activate/plan.ts'
import { render } from '../../src/activate/render.ts'
import type { Step } from '../../src/activate/steps.ts'
import { readVariables } from '../../src/activate/variables.ts'
import { REAL_SHELLS, type RealShell } from './own-variables.ts'

/** Any characters, and often those that some shell gives a meaning. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom(...`'"\\$\`!%=~*?[]{}()<>|&;#^:@+-,. \t\r\n\u0001\u007f`),
      fc.constantFrom('$(: > made)', '`: > made`', '!!', '\\\n', '=ls', '~/', '%s', '$HOME', "'\\''", '-n', 'é環境'),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join('').replaceAll('\0', '').toWellFormed())

/** Of a path that PATH can hold. U+FFFD stands for what is no UTF-8, see `decoded`. */
const part = text.map((any) =>
  `x${any.replaceAll(/[/:\uFFFD]/g, '_')}`.slice(0, 60).toWellFormed().replaceAll('\uFFFD', '_'),
)

const name = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
  fc.constantFrom(
    'RANDOM',
    'OPTIND',
    'PPID',
    'LINENO',
    'SECONDS',
    'PS4',
    'PROMPT_COMMAND',
    'UID',
    'status',
    'argv',
    'path',
  ),
  text,
)

interface Case {
  variables: Record<string, string>
  original: string
  staged: string
  label: string
  entries: string[]
}

const anyCase: fc.Arbitrary<Case> = fc.record({
  variables: fc.dictionary(name, text, { maxKeys: 5, noNullPrototype: true }),
  original: part.map((each) => `/net/${each}/env`),
  staged: part.map((each) => `/local/${each}/env`),
  label: part,
  entries: fc.array(
    part.map((each) => `/${each}`),
    { maxLength: 3 },
  ),
})

for (const shell of REAL_SHELLS)
  test(`${shell.name}: whatever the names, paths and values are, a session gets them as they are, and back, and runs none of them`, async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async (any) => {
        const folder = mkdtempSync(join(tmpdir(), 'any-text-'))
        try {
          await assertUnchanged(shell, any, folder)
        } finally {
          rmSync(folder, { recursive: true })
        }
      }),
      { numRuns: 40 },
    )
  })

async function assertUnchanged(shell: RealShell, any: Case, folder: string): Promise<void> {
  const { dialect } = shell
  const before = {
    CONDA_PREFIX: any.original,
    CONDA_SHLVL: '1',
    CONDA_DEFAULT_ENV: any.label,
    CONDA_PROMPT_MODIFIER: `(${any.label}) `,
    PATH: [`${any.original}/bin`, ...any.entries, '/usr/bin', '/bin'].join(':'),
    HOME: folder,
    LC_ALL: 'C.UTF-8',
  }
  mkdirSync(join(folder, 'conda-meta'))
  writeFileSync(join(folder, 'conda-meta/state'), JSON.stringify({ env_vars: any.variables }))
  const { variables, notTaken } = await readVariables(folder, { dialect, env: before })
  const facts = (prefix: string, of: Record<string, string | null>): PrefixFacts => ({
    ...{ prefix, real: prefix, variables: of, notTaken: [], unreadable: [] },
    ...{ otherSpellings: {}, activateScripts: [], deactivateScripts: [] },
  })
  const plan = { env: before, original: facts(any.original, {}), staged: facts(any.staged, variables) }
  const { steps, snapshot } = planStage(plan)
  const staged = stateAfter(before, steps)
  const back = planUnstage({ ...plan, env: staged, snapshot })
  const states = run(shell, folder, before, [steps, back.steps])
  assert.deepEqual(visible(states[0]!, staged), staged)
  assert.deepEqual(visible(states[1]!, before), before)
  for (const exported of Object.keys(variables)) if (!(exported in before)) assert.equal(exported in states[1]!, false)
  assert.deepEqual(
    readdirSync(folder).filter((file) => /made|executed/.test(file)),
    [],
  )
  // Every name that a shell could export is there, or a message says why not.
  for (const given of Object.keys(any.variables).filter((each) => /^[A-Za-z_]\w*$/.test(each) && !/^path$/i.test(each)))
    assert.ok(given in variables || notTaken.some((message) => message.includes(`variable ${given} in`)), given)
}

type State = Record<string, string>

/** What the steps say, without any shell. */
function stateAfter(env: State, steps: readonly Step[]): State {
  const state = { ...env }
  for (const step of steps) {
    if (step.op === 'export') state[step.name] = step.value
    if (step.op === 'unset') delete state[step.name]
    if (step.op === 'path') state.PATH = swapPath(state.PATH!, step)
  }
  return state
}

/** Without what the shell itself has added. */
const visible = (state: State, expected: State): State =>
  Object.fromEntries(Object.entries(state).filter(([key]) => key in expected))

/** The session's variables after each of these plans. */
function run(shell: RealShell, folder: string, env: State, plans: readonly Step[][]): State[] {
  const lines = plans.flatMap((steps, at) => {
    mkdirSync(join(folder, `${at}`))
    writeFileSync(join(folder, `${at}/code`), render(steps, shell.dialect, { flags: '', launcher: '/none' }))
    return [LOAD[shell.dialect](at), `/usr/bin/env -0 > env.${at}`]
  })
  writeFileSync(join(folder, 'script'), `${lines.join('\n')}\n`)
  const [program = '', ...args] = shell.argv
  // tcsh: as call.csh.
  writeFileSync(join(folder, '.loader'), 'set argv = ( $1:q )\n""source $1:q/code\n')
  const { stderr, error } = spawnSync(program, [...args, join(folder, 'script')], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  assert.equal(error, undefined, `${shell.name} has to be installed`)
  return plans.map((_, at) => {
    const records = readFileSync(join(folder, `env.${at}`), 'utf8')
      .split('\0')
      .filter(Boolean)
    assert.ok(records.length > 0, stderr)
    return Object.fromEntries(
      records.map((record) => [record.split('=', 1)[0]!, record.slice(record.indexOf('=') + 1)]),
    )
  })
}

/** Evaluates the code as the shell function does. */
const posix = (at: number) => `code=$(/bin/cat ${at}/code); load() { eval "$code"; }; load; unset code`
const csh = (at: number) => `source .loader ${at}`
const LOAD: Record<RealShell['dialect'], (at: number) => string> = {
  bash: posix,
  zsh: posix,
  sh: posix,
  fish: (at) => `function load; /bin/cat ${at}/code | read -z argv; eval "$argv"; end; load`,
  tcsh: csh,
  csh,
}
