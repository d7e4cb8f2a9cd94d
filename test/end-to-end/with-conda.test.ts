/** `--with-conda` in each shell, with the program that ships. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { makeVenv } from '../fixtures/virtual-environments.ts'
import { active, EVERY_SHELL } from '../shells/cases.ts'
import { CondaSession } from './conda-session.ts'

for (const shell of EVERY_SHELL) {
  describe(shell.name, () => {
    test(`${shell.name}: conda runs from a copy of its installation, whatever it activates; after --unstage the session is as before`, () => {
      using session = new CondaSession(shell)
      const run = session.conda(`dump before
        with-conda
        dump staged
        conda activate other
        dump other
        conda deactivate
        conda activate base
        dump base
        conda deactivate
        conda-stage --quiet --unstage
        dump after
        conda activate other`)
      assert.equal(run.status, 0, run.stderr)
      const { env } = session.world.dump('staged')
      const copy = env._CONDA_ROOT!
      assert.ok(session.isCopyOfBase(copy), copy)
      assert.deepEqual(
        [env.CONDA_EXE, env._CONDA_EXE, env.CONDA_PYTHON_EXE],
        [`${copy}/bin/conda`, `${copy}/bin/conda`, `${copy}/bin/python`],
      )
      assert.ok(session.isCopy(env.CONDA_PREFIX), String(env.CONDA_PREFIX))
      assert.equal(env.PATH, `${env.CONDA_PREFIX}/bin:${copy}/condabin:/usr/bin:/bin`)
      assert.equal(session.world.dump('other').env.CONDA_PREFIX, `${session.base}/envs/other`)
      assert.equal(session.world.dump('other').env.CONDA_EXE, `${copy}/bin/conda`)
      assert.equal(session.world.dump('base').env.CONDA_PREFIX, session.base)
      assert.equal(session.world.dump('base').env.CONDA_DEFAULT_ENV, 'base')
      const { CONDA_PREFIX_1: _, ...after } = session.world.dump('after').env
      assert.deepEqual(after, session.world.dump('before').env)
      assert.deepEqual(session.calls(), [copy, copy, copy, copy, session.base])
      assert.deepEqual(session.stages(), [])
    })

    test(`${shell.name}: an environment that stages itself has conda staged, too; after conda deactivate conda goes on to run from the copy, until --unstage or the end of the shell`, async () => {
      using session = new CondaSession(shell)
      session.configure('enable', ['--with-conda'])
      const run = session.conda(
        `conda activate my
        dump staged
        conda deactivate
        dump left
        conda activate other
        conda deactivate
        conda-stage --quiet --unstage
        dump unstaged
        conda activate my
        conda deactivate`,
        { ...session.variables({ isActive: false }), CONDA_STAGE_SKIP_LOCAL: 'false' },
      )
      assert.equal(run.status, 0, run.stderr)
      assert.ok(session.isCopy(session.world.dump('staged').env.CONDA_PREFIX), run.stderr)
      const { env } = session.world.dump('left')
      const copy = env._CONDA_ROOT!
      assert.ok(session.isCopyOfBase(copy), copy)
      assert.equal(session.world.dump('unstaged').env.CONDA_EXE, `${session.base}/bin/conda`)
      assert.equal(session.world.dump('unstaged').env.PATH, `${session.base}/condabin:/usr/bin:/bin`)
      const { base } = session
      assert.deepEqual(session.calls(), [base, copy, copy, copy, base, copy])
      await session.gone()
    })
  })
}

const BASH = EVERY_SHELL.find(({ name }) => name === 'bash')!

test('conda that runs from a copy finds the environments, the packages and the configuration of the original', async () => {
  using session = new CondaSession(BASH)
  const { base } = session
  const condarc = `envs_dirs: [${base}/envs]\npkgs_dirs: [${base}/pkgs]\n`
  session.world.write('conda/.condarc', condarc)
  session.world.write('conda/share/kernel.json', `["${base}/envs/my/bin/python"]`)
  const run = session.conda(`with-conda
    echo $_CONDA_ROOT
    cat $_CONDA_ROOT/condarc.d/conda-stage.yml
    cat $_CONDA_ROOT/.condarc
    cat $_CONDA_ROOT/share/kernel.json
    readlink $_CONDA_ROOT/envs $_CONDA_ROOT/pkgs
    conda-stage --verify --prefix=$_CONDA_ROOT
    conda-stage --status | grep ^conda:`)
  assert.equal(run.status, 0, run.stderr)
  const [copy, _, root, ...rest] = run.stdout.split('\n')
  assert.equal(root, `root_prefix: "${base}"`)
  assert.equal(`${rest.slice(0, 2).join('\n')}\n`, condarc)
  // By the link, that is the original's.
  assert.equal(rest[2], `["${copy}/envs/my/bin/python"]${base}/envs`)
  assert.equal(rest[3], `${base}/pkgs`)
  assert.match(rest[4]!, /^conda: +runs from \S+, the copy of \S+\/conda$/)
  assert.match(run.stderr, /is sound/)
})

test('programs that were started from the session keep the copy from which they would call conda, until they end', async () => {
  using session = new CondaSession(BASH)
  const run = session.conda(`with-conda
    sleep 60 > /dev/null 2>&1 &
    conda-stage --unstage
    conda activate other
    ls ${session.local}
    kill $!`)
  assert.equal(run.status, 0, run.stderr)
  assert.match(run.stdout, /^conda-stage_\w+\n$/)
  assert.match(run.stderr, /Programs still need \S+\/conda: it will be removed when they end/)
  await session.gone()
})

test('one of several programs that were left behind may go back to its own conda; the others keep the copy', async () => {
  using session = new CondaSession(BASH)
  const [on, said] = ['on', 'said'].map((name) => `${session.world.root}/${name}`) as [string, string]
  const run = session.conda(`with-conda
    mkfifo ${on}
    sleep 8 > /dev/null 2>&1 &
    bash --norc -c 'eval "$("$0" --source=bash)"; read < ${on}; conda-stage --quiet --unstage; echo "$CONDA_EXE" > ${said}.new; ls ${session.local} >> ${said}.new; mv ${said}.new ${said}' ${LAUNCHER} > /dev/null 2>&1 &`)
  assert.equal(run.status, 0, run.stderr)
  writeFileSync(on, '\n')
  for (let waited = 0; !existsSync(said); waited += 50) {
    assert.ok(waited < 20_000)
    await pause(50)
  }
  assert.match(readFileSync(said, 'utf8'), new RegExp(`^${session.base}/bin/conda\nconda-stage_\\w+\n$`))
  await session.gone()
})

test('if the shell is killed, both copies go', async () => {
  using session = new CondaSession(BASH)
  const run = session.conda(`with-conda
    ls ${session.local}
    kill -9 $$`)
  assert.equal(run.stdout.split('\n').length, 3, run.stderr)
  await session.gone()
})

test('a shell in the session that stages, too, keeps its conda when the session goes back', async () => {
  using session = new CondaSession(BASH)
  const run = session.conda(`with-conda
    echo "$CONDA_EXE"
    mkfifo on
    bash --norc -c 'eval "$("$0" --source=bash)"; conda-stage --quiet --with-conda; echo ready; read < on; "$CONDA_EXE" shell.posix deactivate > code && echo "$CONDA_EXE"' ${LAUNCHER} > inner &
    until grep -q ready inner; do sleep 0.1; done
    conda-stage --quiet --unstage
    echo "$CONDA_EXE"
    echo > on
    wait
    cat inner`)
  assert.equal(run.status, 0, run.stderr)
  const [copy, back, ready, inner] = run.stdout.split('\n')
  assert.deepEqual([back, ready, inner], [`${session.base}/bin/conda`, 'ready', copy], run.stderr)
  await session.gone()
})

test('one --unstage gives conda back and the copy of a virtual environment that was left, kept or not; one that can not says so alone', async () => {
  using session = new CondaSession(BASH)
  const venv = `${session.world.root}/venv`
  await makeVenv(venv, 'venv')
  const run = session.conda(`. ${venv}/bin/activate
    with-conda --keep
    deactivate
    ${LAUNCHER} --unstage 2> program
    conda-stage --unstage
    echo "$CONDA_EXE"
    ls ${session.local}
    cat program
    . ${venv}/bin/activate
    stage --no-skip-local --keep
    deactivate
    conda-stage --unstage
    ls ${session.local}`)
  assert.equal(run.status, 0, run.stderr)
  const [program, ...said] = run.stdout.split('\n')
  assert.equal(program, `${session.base}/bin/conda`)
  assert.match(said[0]!, /^ERROR: Only the shell function conda-stage can change this session/)
  assert.doesNotMatch(said.join('\n'), /^conda-stage_/m)
})

test('if the base itself is staged, conda runs from that one copy, which stays for it after conda deactivate', async () => {
  using session = new CondaSession(BASH)
  const { base } = session
  const run = session.conda(
    `with-conda
    ls ${session.local}
    echo "$CONDA_PREFIX $CONDA_EXE"
    conda deactivate
    conda activate other
    conda-stage --quiet --unstage
    echo "$CONDA_EXE"
    ls ${session.local}`,
    {
      ...session.variables(),
      CONDA_PREFIX: base,
      CONDA_DEFAULT_ENV: 'base',
      CONDA_PROMPT_MODIFIER: '(base) ',
      CONDA_STAGE_ALLOW_BASE: 'true',
      PATH: `${base}/bin:${base}/condabin:/usr/bin:/bin`,
    },
  )
  assert.equal(run.status, 0, run.stderr)
  const [folder, both, back, ...rest] = run.stdout.split('\n')
  const copy = `${session.local}/${folder}/conda`
  assert.deepEqual([both, back, rest], [`${copy} ${copy}/bin/conda`, `${base}/bin/conda`, ['']])
  assert.deepEqual(session.calls(), [copy, copy])
})

test('a base that is on local disk already, or that can not be staged, stays as it is, and the environment is staged without it', async () => {
  using session = new CondaSession(BASH)
  const without = (script: string) => {
    const run = session.conda(`${script}\necho "$CONDA_EXE"; conda-stage --quiet --unstage; ls ${session.local}`)
    assert.deepEqual([run.status, run.stdout], [0, `${session.base}/bin/conda\n`], run.stderr)
    return run.stderr
  }
  const stage = `conda-stage --path=${session.local} --with-conda`
  assert.match(without(stage), new RegExp(`INFO: ${session.base} is on local disk already .*Using it as it is`))
  session.world.write('conda/conda-meta/history', '')
  rmSync(`${session.base}/conda-meta`, { recursive: true })
  const said = without(`${stage} --no-skip-local`)
  assert.match(said, new RegExp(`WARNING: ${session.base} is not staged: .* is no environment`))
  assert.match(said, /Activating staged conda environment/)
})

test('whoever gives back the copy of the base by its path is not left with a conda that is gone', () => {
  using session = new CondaSession(BASH)
  const run = session.conda(`with-conda
    conda-stage --unstage --prefix="$_CONDA_ROOT"
    echo "$CONDA_PREFIX"
    echo "$CONDA_EXE"
    ls ${session.local} | wc -l`)
  assert.equal(run.status, 0, run.stderr)
  const [prefix, program, copies] = run.stdout.split('\n')
  assert.ok(session.isCopy(prefix), run.stderr)
  assert.deepEqual([program, copies], [`${session.base}/bin/conda`, '1'])
})

test('a session that can not change a variable of conda keeps its conda, and gets the environment', async () => {
  using session = new CondaSession(BASH)
  const run = session.conda(`readonly CONDA_EXE
    with-conda
    echo "$CONDA_PREFIX $CONDA_EXE $_CONDA_ROOT"
    ls ${session.local} | wc -l`)
  assert.equal(run.status, 0, run.stderr)
  const [state, copies] = run.stdout.split('\n')
  const [prefix, program, root] = state!.split(' ')
  assert.ok(session.isCopy(prefix), run.stdout)
  assert.deepEqual([program, root, copies], [`${session.base}/bin/conda`, session.base, '1'])
  assert.match(run.stderr, /The variable CONDA_EXE is read-only in this shell/)
})

for (const shell of EVERY_SHELL.filter(({ name }) => ['bash', 'fish', 'tcsh'].includes(name)))
  test(`${shell.name}: without conda functions, the copy is found in PATH before the installation`, () => {
    using session = new CondaSession(shell)
    const PATH = `${session.prefix}/bin:/opt/x/bin:${session.base}/bin:/usr/bin:/bin`
    const run = session.script(
      `stage --with-conda --no-skip-local
      ${shell.dialect === 'tcsh' ? 'which' : 'command -v'} conda
      echo "$PATH"
      ls -d ${session.local}/*/conda/envs/my
      conda-stage --quiet --unstage
      echo "$PATH"`,
      { ...active(session.prefix), PATH },
    )
    const [program, staged, environment, back] = run.stdout.split('\n')
    assert.ok(session.isCopyOfBase(program, '/condabin/conda'), run.stderr)
    const copy = program!.slice(0, -'/condabin/conda'.length)
    assert.ok(staged!.endsWith(`:/opt/x/bin:${copy}/condabin:${session.base}/bin:/usr/bin:/bin`), String(staged))
    // By the link to those of the original: it is a base, although no variable says so.
    assert.equal(environment, `${copy}/envs/my`)
    assert.equal(back, PATH)
    assert.deepEqual(session.stages(), [])
  })

test('--with-conda says where it has no meaning; as a setting it has no effect there', async () => {
  using session = new CondaSession(BASH)
  const refused = (options: string) => {
    const run = session.conda(`conda-stage --with-conda ${options}`)
    assert.equal(run.status, 2, run.stderr)
    return run.stderr
  }
  assert.match(refused(`--prefix=${session.prefix}`), /--with-conda changes the conda of your session/)
  assert.match(refused('--nodes=all'), /--with-conda and --nodes can't be combined/)
  assert.match(refused('--status'), /--with-conda works only with --stage and --auto-stage/)
  const env = { ...session.variables(), CONDA_STAGE_WITH_CONDA: 'true', CONDA_STAGE_SKIP_LOCAL: 'false' }
  const run = session.conda(`conda-stage --quiet --path=${session.local} --prefix=${session.prefix}`, env)
  assert.ok(session.isCopy(run.stdout.trim()), run.stderr)
  assert.equal(session.stages().length, 1)
})

test('--dry-run shows what would become of conda', async () => {
  using session = new CondaSession(BASH)
  const run = session.conda('with-conda --dry-run')
  assert.equal(run.status, 0, run.stderr)
  assert.deepEqual(run.stdout.match(/(?<=^original: +)\S+/gm), [session.prefix, session.base])
  assert.deepEqual(session.stages(), [])
})

test('a session whose copy of conda is gone, as in a job on another node, is told to load conda again', () => {
  using session = new CondaSession(BASH)
  const gone = `${session.local}/conda-stage_Gone1/conda`
  const env = { ...session.variables(), CONDA_EXE: `${gone}/bin/conda`, _CONDA_EXE: `${gone}/bin/conda` }
  const run = session.conda('with-conda; echo "$CONDA_PREFIX"', env)
  assert.ok(session.isCopy(run.stdout.trim()), run.stderr)
  assert.match(run.stderr, /This session's conda was in a copy that is gone: \S+\n +Load conda again/)
})
