/**
 * The real environment, packed by conda-pack and by us, unpacked at the same place by tar and relocated by each archive's
 * conda-unpack. docs/conda-pack.md lists all differences.
 */
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pack } from '../../src/index.ts'
import { realEnvironment } from '../fixtures/environment.ts'
import { condaPack } from './conda-pack.ts'
import { DOCUMENTED } from './differences.ts'
import { end, output, tree } from './support.ts'

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'conda-pack-'))
after(() => rmSync(folder, { recursive: true }))

const isScript = (path: string): boolean =>
  existsSync(path) && lstatSync(path).isFile() && readFileSync(path).subarray(0, 2).toString() === '#!'

test('unpacked and relocated, archives of conda-pack and ours differ only as documented', async () => {
  const { prefix } = await realEnvironment()
  await pack({ prefix, output: `${folder}/ours.tar`, format: 'tar' })
  await condaPack(prefix, `${folder}/theirs.tar`)
  // Both at one path, so that both have to contain the same text.
  const place = `${folder}/place`
  for (const name of ['ours', 'theirs']) {
    mkdirSync(place)
    // conda-pack writes a hard link with content, and tar complains about it.
    const { status, stderr } = await end('tar', ['-xf', `${folder}/${name}.tar`, '-C', place])
    if (name === 'ours') assert.deepEqual([status, stderr], [0, ''])
    const script = `. '${place}/bin/activate' && conda-unpack`
    const unpacked = await end('bash', ['-c', script], { env: { PATH: '/usr/bin:/bin' } })
    assert.equal(unpacked.status, 0, unpacked.stderr)
    renameSync(place, `${folder}/${name}`)
    rmSync(`${folder}/${name}.tar`)
  }
  const [ours, theirs] = [tree(`${folder}/ours`), tree(`${folder}/theirs`)]
  const content = (facts: string | undefined) => facts?.replace(/^\d+ \d+ /, '')
  const unexplained: string[] = []
  const used = new Set<number>()
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [content(ours.get(path)), content(theirs.get(path))]
    if (a === b) continue
    const differing = { path, ours: a, theirs: b, isScript: isScript(`${folder}/ours/${path}`) }
    const found = DOCUMENTED.find(([, covers]) => covers(differing))
    if (found) used.add(found[0])
    else unexplained.push(`${path}: ${a} / ${b}`)
  }
  assert.deepEqual(unexplained.slice(0, 30), [])
  assert.deepEqual([...used].sort(), [...new Set(DOCUMENTED.map(([number]) => number))].sort())
})

test('moved again and without the original, programs, libraries and a kernel work', async () => {
  const there = `${folder}/a place/${'further '.repeat(20)}away`
  mkdirSync(join(there, '..'), { recursive: true })
  renameSync(`${folder}/ours`, there)
  await output(`${there}/bin/conda-unpack`, [])
  const { prefix } = await realEnvironment()
  const run = (...command: string[]) =>
    // In a namespace of this command's own, an empty file system hides the original.
    output('unshare', ['-rm', 'sh', '-ec', 'mount -t tmpfs none "$1"; shift; exec "$@"', 'sh', prefix, ...command], {
      env: { PATH: '/usr/bin:/bin', HOME: folder },
    })
  assert.match(await run(`${there}/bin/jupyter`, '--version'), /^notebook/m)
  const code = 'import sys, sysconfig, fastgreet, numpy, ssl; print(sys.prefix, sysconfig.get_config_var("prefix"))'
  assert.equal(await run(`${there}/bin/python`, '-c', code), `${there} ${there}\n`)
  assert.equal(await run(`${there}/bin/greet`, '--prefix'), `${there}\n`)
  const kernel = JSON.parse(readFileSync(`${there}/share/jupyter/kernels/python3/kernel.json`, 'utf8'))
  assert.equal(lstatSync(kernel.argv[0]).isFile() || lstatSync(kernel.argv[0]).isSymbolicLink(), true)
  assert.ok(kernel.argv[0].startsWith(`${there}/`))
})
