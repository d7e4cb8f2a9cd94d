import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SHELLS, script, type Workspace, type WorkspaceOptions, workspace } from './workspace.ts'

/** Loads the shell function and then pixi's hook. */
const LOAD = {
  bash: `eval "$(conda-stage --source)"; PS1='$ '; eval "$(pixi shell-hook --shell bash)"`,
  zsh: `eval "$(conda-stage --source)"; PS1='$ '; eval "$(pixi shell-hook --shell zsh)"`,
  sh: `eval "$(conda-stage --source=sh)"; PS1='$ '; eval "$(pixi shell-hook --shell bash)"`,
  fish: 'conda-stage --source | source; pixi shell-hook --shell fish | source',
}

/** Notes the state of the session under a name. */
const note = (shell: keyof typeof LOAD, name: string): string =>
  `command env -0 > ${name}.env; ${shell === 'fish' ? 'fish_right_prompt' : 'echo "$PS1"'} > ${name}.prompt; true`

interface State {
  env: Record<string, string>
  prompt: string
}

function noted({ project }: Workspace, name: string): State {
  const text = readFileSync(join(project, `${name}.env`), 'utf8')
  const records = text.split('\0').filter(Boolean)
  const { _, PS1, ...env } = Object.fromEntries(
    records.map((each) => [each.split('=', 1)[0]!, each.slice(each.indexOf('=') + 1)]),
  )
  return { env, prompt: readFileSync(join(project, `${name}.prompt`), 'utf8').trim() }
}

const replaced = (env: Record<string, string>, from: string, to: string): Record<string, string> =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.replaceAll(from, to)]))

/** As users write it. One of them names another folder. */
const MANIFEST = `[activation]
env = { DATA = "$CONDA_PREFIX/share/greet", FLAGS = "-O2 -I$CONDA_PREFIX/include -L$CONDA_PREFIX/lib", OTHER = "$CONDA_PREFIX-other" }
`

const CASES: { title: string; options: WorkspaceOptions; env?: Record<string, string>; part: [string, string] }[] = [
  { title: 'the default environment', options: {}, part: ['(my-project)', '(my-project*)'] },
  {
    title: 'a detached environment with a name, on top of one of conda',
    options: { environment: 'test', detached: '.cache/my-project-15834762310450563372' },
    env: { CONDA_PREFIX: '/conda', CONDA_SHLVL: '1', CONDA_DEFAULT_ENV: 'base', CONDA_PROMPT_MODIFIER: '(base) ' },
    part: ['(my-project:test)', '(my-project:test*)'],
  },
]

for (const shell of [...SHELLS, 'sh'] as const) {
  describe(`in ${shell}, behind pixi shell-hook`, () => {
    for (const { title, options, env = {}, part } of CASES) {
      test(`conda-stage stages ${title}, leaves pixi's own variables alone, and --unstage gives back all that was there`, async (context) => {
        const world = await workspace(context, { ...options, manifest: MANIFEST })
        const load = LOAD[shell].replaceAll('shell-hook', `shell-hook -e ${options.environment ?? 'default'}`)
        const lines = [
          ...[load, note(shell, 'before'), 'conda-stage', note(shell, 'staged'), 'greet'],
          ...['conda-stage --unstage', note(shell, 'after')],
        ]
        const ended = script({ ...world, env: { ...world.env, ...env } }, shell, lines.join('\n'))
        assert.equal(ended.status, 0, ended.stderr)
        const [before, staged, after] = [noted(world, 'before'), noted(world, 'staged'), noted(world, 'after')]
        const copy = staged.env.CONDA_PREFIX!
        assert.match(copy, new RegExp(`^${world.local}/conda-stage_[^/]+/my-project(?:-test)?$`))
        assert.equal(ended.stdout.split('\n')[0], 'Hello from the environment')
        const { OTHER, ...leading } = before.env
        const expected = { ...replaced(leading, world.prefix, copy), OTHER, CONDA_STAGE_STAGED: 'true' }
        assert.equal(before.env.DATA, `${world.prefix}/share/greet`)
        assert.deepEqual(staged.env, expected)
        assert.equal(before.env.PIXI_PROMPT, `${part[0]} `)
        assert.equal(staged.prompt, before.prompt.replace(part[0], part[1]))
        assert.deepEqual(after, before)
        assert.deepEqual(readdirSync(world.local), [])
      })
    }
  })
}

test('a copy goes with the shell that staged it', async (context) => {
  const world = await workspace(context)
  const ended = script(world, 'bash', `${LOAD.bash}; conda-stage; ls ${world.local}`)
  assert.match(ended.stdout, /^conda-stage_/m)
  assert.deepEqual(readdirSync(world.local), [])
})

test('pixi run in a staged session works with the original, and after conda-stage in a nested shell with the same copy', async (context) => {
  const world = await workspace(context)
  const lines = [
    ...[LOAD.bash, 'conda-stage --quiet', 'echo "$CONDA_PREFIX"', `pixi run sh -c 'echo "$CONDA_PREFIX"'`],
    `pixi shell << 'END' | sed -n 's/^nested: //p'
conda-stage --quiet
echo "nested: $CONDA_PREFIX"
exit
END`,
    'conda-stage --quiet --unstage; echo "$CONDA_PREFIX"',
  ]
  const { stdout, stderr } = script(world, 'bash', lines.join('\n'))
  const [copy, run, nested, after] = stdout.trim().split(/\r?\n/)
  assert.notEqual(copy, world.prefix, stderr)
  assert.deepEqual([run, nested, after], [world.prefix, copy, world.prefix], stderr)
})

test('when pixi add has activated the original again, conda-stage stages it as it is now, and --unstage leaves no star', async (context) => {
  const world = await workspace(context)
  // What the function does that pixi's hook defines.
  const add = `touch ${world.prefix}/conda-meta/numpy-1-0.json; eval "$(pixi shell-hook --change-ps1 false)"`
  const show = 'echo "$PS1 $CONDA_PREFIX $(ls "$CONDA_PREFIX/conda-meta" | grep -c numpy)"'
  const lines = [
    LOAD.bash,
    'conda-stage --quiet',
    show,
    add,
    show,
    'conda-stage --quiet',
    show,
    'conda-stage --quiet --unstage',
    show,
  ]
  const { stdout, stderr } = script(world, 'bash', lines.join('\n'))
  const seen = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/\$ +| (?=\d)/))
  const [first, added, second, after] = seen.map(([prompt, prefix, count]) => ({ prompt, prefix, count }))
  assert.equal(first?.prompt, '(my-project*) ', stderr)
  assert.deepEqual([added!.prefix, added!.count], [world.prefix, '1'])
  assert.deepEqual([second!.prompt, second!.count], ['(my-project*) ', '1'])
  assert.ok(![first!.prefix, world.prefix].includes(second!.prefix))
  assert.deepEqual(after, { prompt: '(my-project) ', prefix: world.prefix, count: '1' })
  assert.deepEqual(readdirSync(world.local), [])
})

test('pixi run behind --exec runs from the copy that stands in the place of the original', async (context) => {
  const world = await workspace(context)
  const look = `echo "$CONDA_PREFIX $PIXI_PROMPT"; findmnt -no TARGET -T "$CONDA_PREFIX"; greet`
  const { status, stdout, stderr } = script(
    world,
    'bash',
    `${LOAD.bash}; conda-stage --exec -- pixi run sh -c '${look}'`,
  )
  assert.equal(status, 0, stderr)
  assert.equal(stdout, `${world.prefix} (my-project) \n${world.prefix}\nHello from the environment\n`)
})

test('outside of pixi, --exec calls an environment of pixi by its workspace, as pixi does', async (context) => {
  const world = await workspace(context)
  const call = `conda-stage --exec --quiet --prefix=.pixi/envs/default -- sh -c 'echo "$CONDA_DEFAULT_ENV $CONDA_PROMPT_MODIFIER"'`
  assert.equal(script(world, 'bash', call).stdout, 'my-project (my-project*) \n')
})

test('neither pixi nor git takes notice of anything of ours in a workspace', async (context) => {
  const world = await workspace(context)
  const git = (...args: string[]) => execFileSync('git', args, { cwd: world.project, encoding: 'utf8' })
  git('init', '--quiet')
  const envs = () =>
    execFileSync('find', [join(world.project, '.pixi/envs'), '-printf', '%P %y %m %s %T@\n'], { encoding: 'utf8' })
  const before = { envs: envs(), git: git('status', '--porcelain') }
  assert.equal(script(world, 'bash', `${LOAD.bash}; conda-stage --keep`).status, 0)
  assert.deepEqual({ envs: envs(), git: git('status', '--porcelain') }, before)
  assert.deepEqual(readdirSync(join(world.project, '.pixi')).sort(), ['.gitignore', 'conda-stage', 'envs'])
})
