import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { installEnvironment } from '../fixtures/environment.ts'
import { LAUNCHER, output, plainEnvironment, run } from './run.ts'
import { holdsPrefix, replacePrefix } from './spellings.ts'
import { startedPrograms, touching, trace } from './trace.ts'
import { contentOf, differences, stateOf, treeOf } from './tree.ts'

/** What Jupyter and pip need, and an extension module: 20,000 files. More large packages would only take longer to compile. */
const SPECS = ['python', 'notebook', 'numpy', 'pip', 'setuptools', 'wheel', 'greet']

// It has an environment of its own, because the cached one must not be renamed, and one stage of it. The tests run in order.
describe('a real environment with Python and Jupyter, staged', () => {
  const folder = mkdtempSync(join(tmpdir(), 'end-to-end-'))
  const original = join(folder, 'home/me/miniconda3/envs/myjupyter')
  const away = `${original}-away`
  const local = join(folder, 'local')
  const home = join(folder, 'home/me')
  let staged = ''
  let stateBefore: Map<string, string>

  const inStage = () => plainEnvironment(home, `${staged}/bin`)
  const stage = (...options: string[]) => [LAUNCHER, `--prefix=${original}`, `--path=${local}`, ...options]

  before(async () => {
    mkdirSync(local, { mode: 0o700 })
    await installEnvironment(original, { specs: SPECS, link: 'hardlink' })
    // A file names it, and only because it is there the name is its own.
    mkdirSync(`${original}2`)
    stateBefore = stateOf(original)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('packing and staging start neither conda nor Python, and standard output is the staged prefix alone', async () => {
    const log = join(folder, 'stage.strace')
    const { code, stdout, stderr, lines } = await trace('execve,execveat', log, stage(), plainEnvironment(home))
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^\/[^\n]+\/conda-stage_[^/\n]+\/myjupyter\n$/)
    staged = stdout.trimEnd()
    assert.ok(staged.startsWith(`${local}/`))
    const programs = startedPrograms(lines)
    assert.ok(programs.includes('conda-stage'), 'strace saw the launcher')
    assert.deepEqual(programs.filter(isCondaOrPython), [])
  })

  test('staging leaves the original as it was, down to inodes and times of the last change', () => {
    assert.deepEqual(stateOf(original), stateBefore)
  })

  test('the copy has every file, folder, link, mode and time of the original', () => {
    assert.equal(Buffer.byteLength(staged), Buffer.byteLength(original), 'same length, so that nothing has to move')
    const relocate = (target: string) => target.replace(new RegExp(`^${original}(?=/|$)`), staged)
    const differing = differences(treeOf(original), treeOf(staged), relocate)
    const own =
      /^(conda-meta\/frozen|lib\/python[\d.]+\/EXTERNALLY-MANAGED|etc\/conda\/(de)?activate\.d(\/(conda-stage-envs|000\.conda-stage-leave)\.\w+)?) is not in/
    assert.deepEqual(differing.filter((line) => !own.test(line)).slice(0, 20), [])
  })

  test('the only bytes of the copy that differ from the original are those of the prefix', () => {
    const differing: string[] = []
    for (const [path, { type }] of treeOf(original)) {
      if (type !== 'file') continue
      const before = contentOf(original, path)
      const copy = contentOf(staged, path)
      if (!before.equals(copy) && !before.equals(replacePrefix(copy, staged, original))) differing.push(path)
    }
    assert.deepEqual(differing, [])
  })

  test('no file of the copy holds the original prefix, in any spelling; paths of a neighbour with a longer name stay', () => {
    const holding = [...treeOf(staged)].filter(
      ([path, { type }]) => type === 'file' && holdsPrefix(contentOf(staged, path), original),
    )
    assert.deepEqual(
      holding.map(([path]) => path),
      [],
    )
    assert.match(readFileSync(`${staged}/share/by-hand/neighbour`, 'utf8'), new RegExp(`^${original}2/lib`))
  })

  test('no .pyc file of the copy is stale', async () => {
    // Python would report a stale one, and write it again if this user can.
    const code = 'import sys, notebook, numpy, sysconfig; sysconfig.get_config_vars(); print(len(sys.modules))'
    const { stderr } = await run(`${staged}/bin/python`, ['-v', '-c', code], inStage())
    assert.match(stderr, /code object from '/)
    assert.doesNotMatch(stderr, /(bytecode is stale|could not create|wrote) /)
  })

  test('a staged program performs no file operation on the original', async () => {
    const log = join(folder, 'jupyter.strace')
    const { code, stderr, lines } = await trace('%file', log, [`${staged}/bin/jupyter`, '--version'], inStage())
    assert.equal(code, 0, stderr)
    assert.ok(touching(lines, staged).length > 1000, 'strace saw the program at work')
    assert.deepEqual(touching(lines, original), [])
  })

  test('compiled programs and scripts run from the copy after the original was renamed', async () => {
    renameSync(original, away)
    assert.equal(await output(`${staged}/bin/greet`, [], inStage()), 'Hello from the environment\n')
    assert.equal(await output(`${staged}/bin/greet`, ['--library-prefix'], inStage()), `${staged}\n`)
    const search = [`${staged}/lib`, `${staged}/share/greet`, `${staged}/etc/greet`].join(':')
    assert.equal(await output(`${staged}/bin/greet`, ['--search-path'], inStage()), `${search}\n`)
    assert.equal(await output(`${staged}/bin/by-hand`, [], inStage()), `${staged}\nHello from the environment\n`)
    assert.equal(await output(`${staged}/bin/greet-config`, [], inStage()), `${staged}:${staged}/lib\n`)
  })

  test('jupyter --version runs from the copy', async () => {
    assert.match(await output('jupyter', ['--version'], inStage()), /^notebook +: 7\./m)
  })

  test('pip refuses to install into the read-only copy, and says how to install instead', async () => {
    const pip = ['-m', 'pip', 'install', '--no-index', 'anything']
    const { code, stderr } = await run(`${staged}/bin/python`, pip, inStage())
    assert.equal(code, 1, stderr)
    assert.match(stderr, /externally-managed-environment[\s\S]*conda-stage --unstage[\s\S]*conda-stage --writable/)
  })

  test('a notebook kernel executes a cell with the modules of the copy, including those from pip', async () => {
    const source =
      'import sys, fastgreet, numpy, tabulate\nprint(sys.prefix, fastgreet.prefix(), numpy.__file__, tabulate.__file__)'
    const notebook = join(home, 'cell.ipynb')
    writeFileSync(notebook, JSON.stringify(notebookWith(source)))
    await output('jupyter', ['execute', '--inplace', notebook], inStage(), home)
    const printed: string = JSON.parse(readFileSync(notebook, 'utf8')).cells[0].outputs[0].text.join('')
    assert.equal(printed.split(' ').filter((path) => path.startsWith(staged)).length, 4, printed)
  })

  test('--verify finds nothing in a sound stage', async () => {
    const { code, stdout, stderr } = await run(LAUNCHER, ['--verify', `--prefix=${staged}`], plainEnvironment(home))
    assert.equal(code, 0, stdout + stderr)
  })

  test('--verify names a program that reaches the original and a file whose bytes differ, and exits with 1', async () => {
    damage(`${staged}/bin/greet-config`, (text) => text.replace(staged, original))
    damage(`${staged}/share/greet/greeting.txt`, (text) => text.replace('Hello', 'Hallo'))
    const { code, stdout, stderr } = await run(LAUNCHER, ['--verify', `--prefix=${staged}`], plainEnvironment(home))
    assert.equal(code, 1)
    assert.match(stdout + stderr, /bin\/greet-config/)
    assert.match(stdout + stderr, /share\/greet\/greeting\.txt/)
  })

  test('unstaging starts neither conda nor Python and leaves nothing on local disk', async () => {
    renameSync(away, original)
    const log = join(folder, 'unstage.strace')
    const command = [LAUNCHER, '--unstage', `--prefix=${staged}`]
    const { code, stderr, lines } = await trace('execve,execveat', log, command, plainEnvironment(home))
    assert.equal(code, 0, stderr)
    assert.deepEqual(startedPrograms(lines).filter(isCondaOrPython), [])
    assert.ok(!existsSync(staged))
    assert.deepEqual(readdirSync(local), [])
  })
})

const isCondaOrPython = (program: string): boolean => /^(conda|mamba|micromamba|pixi|python[\d.]*)$/.test(program)

function damage(path: string, change: (text: string) => string): void {
  chmodSync(path, 0o644)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

const notebookWith = (source: string) => ({
  cells: [{ cell_type: 'code', id: 'one', source, metadata: {}, outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
})
