import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hook } from '../end-to-end/manual-session.ts'
import { activation, MAKERS, makeVenv } from '../fixtures/virtual-environments.ts'
import { EVERY_SHELL, type TestShell } from '../shells/cases.ts'
import { assertSame, World } from '../shells/world.ts'

/** One environment of each maker for all shells, and its archive. */
const root = mkdtempSync(join(tmpdir(), 'venv-'))
process.once('exit', () => rmSync(root, { recursive: true }))
for (const maker of MAKERS) await makeVenv(join(root, maker, '.venv'), maker)

/** What POSIX mode changes in bash, conda's environments show. */
const SHELLS = EVERY_SHELL.filter(({ name }) => name !== 'bash --posix')

/** Runs lines in a shell in which an environment of the maker is there to be activated and staged. */
function session(world: World, shell: TestShell, maker: string) {
  const local = join(world.root, 'local')
  mkdirSync(local, { mode: 0o700 })
  const activate = activation(join(root, maker, '.venv'), shell.dialect)
  const stage = `conda-stage --quiet --no-skip-local --path=${shell.quote(local)}`
  const before = [shell.prompt('$ '), ...(shell.dialect === 'fish' ? ["function fish_prompt; echo '$ '; end"] : [])]
  const run = (lines: string[], conda: 'stand-in' | 'none' = 'none') => {
    const env = { XDG_CACHE_HOME: join(root, 'cache') }
    const result = world.runWith(hook(shell), shell, conda, [...before, ...lines].join('\n'), env)
    assert.equal(result.status, 0, result.stderr)
    return result
  }
  return { local, activate, stage, run }
}

for (const maker of MAKERS) {
  for (const shell of SHELLS) {
    test(`an environment of ${maker} is staged in ${shell.name}, and --unstage and deactivate give back what was there before`, () => {
      using world = new World('it')
      const { local, activate, stage, run } = session(world, shell, maker)
      const { stdout, stderr } = run([
        ...[activate, 'deactivate', 'dump plain'],
        ...[activate, 'dump active', stage, 'dump staged', 'greet', 'conda-stage --unstage --quiet', 'dump back'],
        ...[stage, 'deactivate', 'dump left', 'conda-stage --unstage --quiet', 'dump given'],
      ])
      const { VIRTUAL_ENV: copy = '', PATH = '', VIRTUAL_ENV_PROMPT } = world.dump('staged').env
      assert.ok(copy.startsWith(`${local}/conda-stage_`) && copy.endsWith('/.venv'), stderr)
      assert.equal(PATH, `${copy}/bin:/usr/bin:/bin`)
      assert.match(stdout, new RegExp(`^${copy} /usr ${copy}/lib/python[^/]+/site-packages/greeting.py$`, 'm'))
      assert.match(VIRTUAL_ENV_PROMPT ?? '', /^\(?\.venv\*(?:\) )?$/)
      assertSame(world.dump('back'), world.dump('active'))
      // Only the command that the shell runs at its end is there until the copy is given back.
      assert.deepEqual(world.dump('left').env, world.dump('plain').env)
      assert.ok(shell.showsPrompt(world.dump('left'), '$ '))
      assertSame(world.dump('given'), world.dump('plain'))
    })
  }
}

for (const shell of SHELLS) {
  test(`on top of a conda environment in ${shell.name}, the virtual environment is staged, and conda's variables stay as they are`, () => {
    using world = new World('it')
    const my = world.environment('my')
    const { activate, stage, run } = session(world, shell, 'venv')
    run(
      [
        ...['conda activate my', activate, 'deactivate', 'dump conda', activate, 'dump active', stage, 'dump staged'],
        ...['conda-stage --unstage --quiet', 'dump back', stage, 'deactivate', 'conda-stage --unstage --quiet'],
        ...['dump left', 'conda deactivate', 'dump end'],
      ],
      'stand-in',
    )
    const { env } = world.dump('staged')
    const { env: before } = world.dump('active')
    // Some exports of venv's are about the prompt.
    const changed = Object.keys(env).filter((name) => env[name] !== before[name] && !/PROMPT_OVERRIDE|^PS1$/.test(name))
    assert.deepEqual(changed.sort(), ['PATH', 'VIRTUAL_ENV', 'VIRTUAL_ENV_PROMPT'])
    assert.equal(env.PATH?.split(':')[1], `${my}/bin`)
    assertSame(world.dump('back'), world.dump('active'))
    assert.deepEqual(world.dump('left').env, world.dump('conda').env)
    assert.ok(!world.dump('end').env.CONDA_PREFIX)
  })

  for (const [way, stagedOnTop] of [
    ['a virtual environment', false],
    ['a staged virtual environment', true],
  ] as const) {
    test(`a copy of a conda environment that is given back beneath ${way} in ${shell.name} is nowhere in the session after deactivate`, () => {
      using world = new World('it')
      world.environment('my')
      const { activate, stage, run } = session(world, shell, 'venv')
      run(
        [
          ...['conda activate my', activate, 'deactivate', 'dump before', stage, activate],
          ...(stagedOnTop ? [stage, 'conda-stage --unstage --quiet'] : []),
          ...['conda-stage --unstage --quiet', 'dump unstaged', 'deactivate', 'dump left'],
        ],
        'stand-in',
      )
      assert.ok(world.dump('unstaged').env.PATH?.startsWith(join(root, 'venv/.venv')))
      assertSame(world.dump('left'), world.dump('before'))
    })
  }

  test(`a conda environment that was activated over a virtual one in ${shell.name} is the one that is staged and left`, () => {
    using world = new World('it')
    const my = world.environment('my')
    const { activate, stage, run, local } = session(world, shell, 'venv')
    run(
      [
        activate,
        'conda activate my',
        'dump active',
        stage,
        'dump staged',
        'conda-stage --unstage --quiet',
        'dump back',
      ],
      'stand-in',
    )
    const { CONDA_PREFIX = '', VIRTUAL_ENV } = world.dump('staged').env
    assert.ok(CONDA_PREFIX.startsWith(local), CONDA_PREFIX)
    assert.equal(VIRTUAL_ENV, join(root, 'venv/.venv'))
    assert.equal(world.dump('active').env.CONDA_PREFIX, my)
    assertSame(world.dump('back'), world.dump('active'))
  })
}
