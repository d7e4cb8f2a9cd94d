import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { runIn, script, type Workspace, workspace } from './workspace.ts'

const RELATIVE = '--prefix=.pixi/envs/default'

const run = (world: Workspace, ...args: string[]) => runIn(world, ['conda-stage', ...args])

function succeed(world: Workspace, ...args: string[]): string {
  const { status, stdout, stderr } = run(world, ...args)
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

/** The conda-meta folders that have the file by which pixi tells where an environment belongs. */
const marked = (folder: string): string[] =>
  execFileSync('find', [folder, '-name', 'pixi_env_prefix'], { encoding: 'utf8' }).split('\n').filter(Boolean)

test('no copy and no archive says to pixi where it belongs, in whatever form', async (context) => {
  const world = await workspace(context)
  const { local, project } = world
  const copy = succeed(world, RELATIVE)
  assert.ok(existsSync(join(copy, 'conda-meta/pixi')))
  const shown = succeed(
    world,
    '--exec',
    '--quiet',
    RELATIVE,
    '--',
    'sh',
    '-c',
    `echo $CONDA_PREFIX; find ${local} -name pixi_env_prefix`,
  )
  assert.equal(shown, world.prefix)
  const unpacked = join(project, 'unpacked')
  mkdirSync(unpacked)
  succeed(world, '--pack', RELATIVE, '--format=tar.gz', '--output=for-others.tar.gz')
  execFileSync('tar', ['-xzf', 'for-others.tar.gz', '-C', unpacked], { cwd: project })
  assert.deepEqual([...marked(local), ...marked(unpacked)], [])
  assert.equal(readFileSync(join(world.prefix, 'conda-meta/pixi_env_prefix'), 'utf8'), join(world.prefix, 'conda-meta'))
})

test('the archive is found in its place from anywhere, and --status and --verify know it', async (context) => {
  const world = await workspace(context)
  const archive = join(world.project, '.pixi/conda-stage/default.tar.zst')
  const packed = JSON.parse(succeed(world, '--pack', RELATIVE, '--json'))
  assert.equal(packed.archive, archive)
  assert.deepEqual(JSON.parse(succeed(world, '--pack', `--prefix=${world.prefix}/`, '--json')).fresh, true)
  const { archive: shown } = JSON.parse(succeed(world, '--status', RELATIVE, '--json'))
  assert.deepEqual(shown, { path: archive, state: 'fresh' })
  succeed(world, '--verify', RELATIVE)
})

test('with --nodes, that archive goes to the nodes of a job', async (context) => {
  const world = await workspace(context)
  const lines = [
    `eval "$(conda-stage --source)"; eval "$(pixi shell-hook)"`,
    `conda-stage --nodes=n1 --launcher='env NODE={node}'; echo "$CONDA_PREFIX"; conda-stage --quiet --unstage`,
  ]
  const { stdout, stderr } = script(world, 'bash', lines.join('\n'))
  assert.match(stdout, new RegExp(`^${world.local}/conda-stage_[^/]+/my-project$`, 'm'), stderr)
  assert.match(stderr, /Sending \S+\/my-project\/\.pixi\/conda-stage\/default\.tar\.zst /)
  assert.deepEqual(readdirSync(world.local), [])
})

test('an install by pixi that changes nothing leaves the archive fresh, and one that does makes it out of date', async (context) => {
  const world = await workspace(context)
  const meta = join(world.prefix, 'conda-meta')
  const isFresh = () => JSON.parse(succeed(world, '--status', RELATIVE, '--json')).archive.state
  succeed(world, '--pack', RELATIVE)
  for (const name of ['history', 'pixi']) writeFileSync(join(meta, name), readFileSync(join(meta, name)))
  assert.equal(isFresh(), 'fresh')
  const [record] = readdirSync(meta).filter((name) => /^greet-/.test(name))
  writeFileSync(join(meta, record!.replace('greet', 'other')), readFileSync(join(meta, record!)))
  assert.equal(isFresh(), 'out of date')
})

test('if the workspace is read-only, the archive goes to the user’s cache folder, under the name of the workspace', async (context) => {
  const world = await workspace(context)
  chmodSync(join(world.project, '.pixi'), 0o555)
  const { status, stdout, stderr } = runIn(world, [...UNPRIVILEGED, 'conda-stage', RELATIVE])
  assert.equal(status, 0, stderr)
  assert.match(stdout, /\/my-project\n$/)
  assert.match(
    stderr,
    /INFO: The archive goes to .*\/cache\/conda-stage\/my-project-[0-9a-f]{12}\.tar\.zst: .*\.pixi\/conda-stage/,
  )
  assert.deepEqual(readdirSync(join(world.project, '.pixi')).sort(), ['.gitignore', 'envs'])
})

test('an archive that pixi clean has left without its environment is shown by --status', async (context) => {
  const world = await workspace(context)
  succeed(world, '--pack', RELATIVE)
  rmSync(join(world.project, '.pixi/envs'), { recursive: true })
  const { outlived } = JSON.parse(succeed(world, '--status', RELATIVE, '--json'))
  assert.deepEqual(
    outlived.map(({ path }: { path: string }) => path),
    [join(world.project, '.pixi/conda-stage/default.tar.zst')],
  )
})

test('--retire, --restore and --auto-stage put nothing into the folders of pixi, and say what to do instead', async (context) => {
  const world = await workspace(context)
  succeed(world, '--pack', RELATIVE)
  const pixi = join(world.project, '.pixi')
  const listing = () => execFileSync('find', [pixi, '-printf', '%P %y %s %T@\n'], { encoding: 'utf8' })
  const before = listing()
  const refused = (args: string[], reason: RegExp) => {
    const { status, stderr } = run(world, ...args)
    assert.equal(status, 1)
    assert.match(stderr, reason)
    assert.equal(listing(), before)
  }
  refused(
    ['--retire', '--force', RELATIVE],
    /ERROR: .*\/envs\/default belongs to pixi, .*\n.*'pixi clean'.*'pixi install'/,
  )
  refused(
    ['--auto-stage=enable', RELATIVE],
    /ERROR: .*\/envs\/default belongs to pixi, .*\n.*pixi\.toml.*docs\/pixi\.md/,
  )
  const archive = join(pixi, 'conda-stage/default.tar.zst')
  refused(['--restore', `--archive=${archive}`], /ERROR: .*\/envs\/default belongs to pixi, .*\n.*'pixi install'/)
})

test('an archive of an environment of pixi is called that when it is staged by itself', async (context) => {
  const world = await workspace(context)
  const { archive } = JSON.parse(succeed(world, '--pack', RELATIVE, '--json'))
  const { status, stderr } = run(world, `--archive=${archive}`)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /Staging .* \(pixi environment .*as it was then\)/)
})
