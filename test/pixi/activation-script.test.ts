import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { runIn, SHELLS, script, type Workspace, workspace } from './workspace.ts'

/** The script that docs/pixi.md shows. */
const STAGE_SH = /```sh\n(# stage\.sh\n.*?)```/s.exec(
  readFileSync(join(import.meta.dirname, '../../docs/pixi.md'), 'utf8'),
)![1]!

async function staging(context: TestContext): Promise<Workspace> {
  const manifest = '[activation]\nscripts = ["stage.sh"]\nenv = { DATA = "$CONDA_PREFIX/share/greet" }\n'
  const world = await workspace(context, { manifest })
  writeFileSync(join(world.project, 'stage.sh'), STAGE_SH)
  return world
}

async function isEmptySoon(folder: string): Promise<void> {
  for (let waited = 0; readdirSync(folder).length > 0; waited += 50) {
    assert.ok(waited < 20_000, `still there: ${readdirSync(folder)}`)
    await sleep(50)
  }
}

test('a script in [activation] has pixi run work with a copy, which lives until the command has ended', async (context) => {
  const world = await staging(context)
  const { status, stdout, stderr } = runIn(world, [
    ...[...UNPRIVILEGED, 'pixi', 'run', 'sh', '-c'],
    `echo $CONDA_PREFIX $CONDA_DEFAULT_ENV $DATA; greet; sleep 1; conda-stage --list`,
  ])
  assert.equal(status, 0, stderr)
  const [variables, greeting, ...list] = stdout.split('\n')
  const [prefix, name, data] = variables!.split(' ')
  assert.match(prefix!, new RegExp(`^${world.local}/conda-stage_[^/]+/my-project$`))
  assert.deepEqual([name, data, greeting], ['my-project', `${prefix}/share/greet`, 'Hello from the environment'])
  assert.match(list.join('\n'), /used by process \d+ \(python/)
  await isEmptySoon(world.local)
})

for (const shell of SHELLS) {
  test(`a script in [activation] has pixi shell open ${shell} with a copy, which goes with that shell`, async (context) => {
    const world = await staging(context)
    const lines = ['echo "at $CONDA_PREFIX;"', 'greet', 'conda-stage --list', 'exit']
    const { status, stdout, stderr } = runIn(world, ['pixi', 'shell', '--shell', shell], `${lines.join('\n')}\n`)
    assert.equal(status, 0, stderr)
    assert.match(stdout, new RegExp(`at ${world.local}/conda-stage_[^/]+/my-project;`))
    assert.match(stdout, /Hello from the environment/)
    assert.match(stdout, /used by process \d+ \(python/)
    await isEmptySoon(world.local)
  })
}

test('after pixi shell-hook, a script in [activation] stages for the shell itself', async (context) => {
  const world = await staging(context)
  const { stdout } = script(world, 'bash', `eval "$(pixi shell-hook)"; greet; conda-stage --list; ls ${world.local}`)
  assert.match(stdout, /Hello from the environment\n[\s\S]*used by process \d+ \(bash\)[\s\S]*\nconda-stage_/)
  assert.deepEqual(readdirSync(world.local), [])
})

test('in a pixi shell that was opened with a copy, --unstage goes back to the original', async (context) => {
  const world = await staging(context)
  const lines = ['conda-stage --unstage', 'echo "at $CONDA_PREFIX, $CONDA_DEFAULT_ENV, $DATA;"', 'greet', 'exit']
  const { stdout } = runIn(world, ['pixi', 'shell'], `${lines.join('\n')}\n`)
  assert.ok(stdout.includes(`at ${world.prefix}, my-project, ${world.prefix}/share/greet;`), stdout)
  assert.match(stdout, /Hello from the environment/)
  await isEmptySoon(world.local)
})

test('what a script in [activation] stages is said on the terminal, which pixi does not keep to itself', async (context) => {
  const world = await staging(context)
  const command = ['script', '--quiet', '--return', '--command', 'pixi run greet', '/dev/null']
  const { status, stdout } = runIn(world, command)
  assert.equal(status, 0, stdout)
  assert.match(stdout, /INFO: Activating staged pixi environment: [\s\S]*Hello from the environment/)
  const failed = runIn({ ...world, env: { ...world.env, CONDA_STAGE_PATH: '/proc/nothing' } }, command)
  assert.match(failed.stdout, /ERROR: .*\/proc\/nothing[\s\S]*Hello from the environment/)
})

test('programs that ask pixi for the variables get those of the original, because a copy would be gone when they use them', async (context) => {
  const world = await staging(context)
  const { status, stdout, stderr } = runIn(world, ['pixi', 'shell-hook', '--json'])
  assert.equal(status, 0, stderr)
  const { CONDA_PREFIX, DATA, CONDA_STAGE_STAGED } = JSON.parse(stdout).environment_variables
  assert.deepEqual([CONDA_PREFIX, DATA, CONDA_STAGE_STAGED], [world.prefix, `${world.prefix}/share/greet`, undefined])
  assert.deepEqual(readdirSync(world.local), [])
  // direnv does the same with what `pixi shell-hook` has printed.
  const direnv = script(
    world,
    'bash',
    'export DIRENV_IN_ENVRC=1; eval "$(pixi shell-hook)"; echo "$CONDA_PREFIX"; greet',
  )
  assert.equal(direnv.stdout, `${world.prefix}\nHello from the environment\n`)
  assert.match(direnv.stderr, /INFO: direnv only passes variables on: nothing is staged/)
})

test('a script that pixi run starts may stage by itself, and its messages go where its others go', async (context) => {
  const world = await workspace(context)
  writeFileSync(
    join(world.project, 'job.sh'),
    'eval "$(conda-stage --source)"; conda-stage; echo "$CONDA_PREFIX"; greet\n',
  )
  const command = 'pixi run bash job.sh 2> messages'
  const { stdout } = runIn(world, ['script', '--quiet', '--return', '--command', command, '/dev/null'])
  assert.match(stdout, new RegExp(`^${world.local}/conda-stage_[^/]+/my-project\\s+Hello from the environment\\s+$`))
  assert.match(readFileSync(join(world.project, 'messages'), 'utf8'), /INFO: Activating staged pixi environment/)
  await isEmptySoon(world.local)
})

test('if staging fails, the script in [activation] leaves the original active', async (context) => {
  const world = await staging(context)
  const env = { ...world.env, CONDA_STAGE_PATH: '/proc/nothing' }
  const { status, stdout } = runIn({ ...world, env }, ['pixi', 'run', 'sh', '-c', 'echo $CONDA_PREFIX; greet'])
  assert.deepEqual([status, stdout], [0, `${world.prefix}\nHello from the environment\n`])
})
