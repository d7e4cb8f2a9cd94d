/** --doctor: what is broken, what could be better, and what to do. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import type { Finding } from '../../src/evidence/doctor/finding.ts'
import { listing } from '../cli/world.ts'
import { type Node, nodeWith } from '../mount/world.ts'

async function examine(node: Node, env: Record<string, string> = {}, args: readonly string[] = []) {
  const { status, stdout, stderr } = await node.exec(['--doctor', '--json', ...args], { env: { ...node.env, ...env } })
  assert.notEqual(stdout, '', stderr)
  const findings = JSON.parse(stdout).findings as Finding[]
  for (const { check, state, remedy } of findings) assert.ok(state !== 'bad' || remedy, check)
  const of = (check: string) =>
    findings.filter((finding) => finding.check === check).map(({ state, says }) => `${state}: ${says}`)
  return { status, of, broken: findings.filter(({ state }) => state === 'bad').map(({ check }) => check), stderr }
}

test('where all is well, nothing is broken, nothing is written, and the disk and the environment are measured', async (context) => {
  const node = await nodeWith(context)
  const before = [...listing(node.root)]
  const { status, of, broken } = await examine(node)
  assert.deepEqual([status, broken], [0, []])
  assert.deepEqual([...listing(node.root)], before)
  assert.match(of('local disks')[0]!, /^\w+: .*\/local: \w+, [\d,]+ MB and .* free, a look-up takes \d+\.\d{3} ms$/)
  assert.match(of('environment')[0]!, /myjupyter: \w+.*a look-up takes \d+\.\d{3} ms/)
  assert.match(of('archive')[0]!, /is missing$/)
  for (const check of ['shell function', 'namespaces', 'images', 'scheduler', 'package managers', 'strace', 'copies'])
    assert.equal(of(check).length, 1, check)
})

test('people read a line for each finding, with its remedy, and in the end whether anything is broken', async (context) => {
  const node = await nodeWith(context)
  const { status, stdout } = await node.exec(['--doctor'])
  assert.equal(status, 0)
  assert.match(stdout, /^note {2}shell function: is not loaded.*\n {6}-> eval "\$\(conda-stage --source\)"/m)
  assert.match(stdout, /\n\nNothing is broken\n$/)
})

test('what is broken makes the exit status 1: no local disk, an environment that is gone, a kernel whose Python is gone', async (context) => {
  const node = await nodeWith(context)
  const kernels = `${node.env.HOME}/.local/share/jupyter/kernels`
  for (const [name, python] of Object.entries({
    lost: '/tmp/conda-stage_gone/myjupyter/bin/python',
    works: '/bin/sh',
  })) {
    mkdirSync(`${kernels}/${name}`, { recursive: true })
    writeFileSync(`${kernels}/${name}/kernel.json`, JSON.stringify({ argv: [python, '-m', 'ipykernel_launcher'] }))
  }
  const gone = `${node.root}/gone`
  const { status, of, broken, stderr } = await examine(node, { CONDA_STAGE_PATH: '/proc', CONDA_PREFIX: gone })
  assert.equal(status, 1)
  assert.deepEqual(broken.sort(), ['Jupyter kernels', 'active environment', 'archive', 'local disks'])
  assert.deepEqual(of('Jupyter kernels'), [
    'bad: lost starts /tmp/conda-stage_gone/myjupyter/bin/python, which is gone',
  ])
  assert.match(stderr, /ERROR: 4 things are broken/)
})

test('it finds what is outside of the environment and leads to the original, or to no copy', async (context) => {
  const node = await nodeWith(context)
  const { prefix, env } = node
  const home = env.HOME!
  const site = `${prefix}/lib/python3.11/site-packages`
  for (const folder of [
    `${site}/mine-1.0.dist-info`,
    `${home}/bin`,
    `${home}/.local/lib/python3.11`,
    `${node.root}/conda/bin`,
  ])
    mkdirSync(folder, { recursive: true })
  mkdirSync(`${home}/.local/share/jupyter/kernels/own`, { recursive: true })
  const url = { url: 'file:///far/sources', dir_info: { editable: true } }
  writeFileSync(`${site}/mine-1.0.dist-info/direct_url.json`, JSON.stringify(url))
  writeFileSync(`${prefix}/bin/python`, '', { mode: 0o755 })
  writeFileSync(`${home}/bin/tool`, `#!${prefix}/bin/python\n`)
  writeFileSync(`${home}/bin/other`, '#!/usr/bin/env python\n')
  writeFileSync(
    `${home}/.local/share/jupyter/kernels/own/kernel.json`,
    JSON.stringify({ argv: [`${prefix}/bin/python`] }),
  )
  writeFileSync(`${node.root}/conda/bin/conda`, '', { mode: 0o755 })
  const conda = { CONDA_EXE: `${node.root}/conda/bin/conda` }
  const { status, of } = await examine(node, conda)
  assert.equal(status, 0)
  assert.deepEqual(of('editable installs'), ['note: mine is used from /far/sources'])
  assert.match(of('user site')[0]!, /note: .*\.local\/lib\/python3\.11/)
  assert.deepEqual(of('scripts in your home'), ["note: ~/bin/tool start the original's Python"])
  assert.match(of('what uses the original')[0]!, /Jupyter kernel .*kernels\/own$/)
  assert.match(of('auto_activate')[0]!, /^note: conda activates its base environment in each new shell/)
  writeFileSync(`${home}/.condarc`, 'auto_activate: false\n')
  assert.match((await examine(node, conda)).of('auto_activate')[0]!, /^good: is off/)
})

test('a copy that nobody uses is named, with its size', async (context) => {
  const node = await nodeWith(context)
  // Whoever made it has ended.
  await node.exec(['--keep', `--prefix=${node.prefix}`], { inside: ['setsid', '-w', 'sh', '-c', '"$@"; true', 'sh'] })
  const { of } = await examine(node)
  assert.match(of('copies')[0]!, /^note: nobody uses 1 of 1 copies/)
})

test('a home whose file server does not answer is found, within seconds, and all else is still told', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const node = await nodeWith(context)
  const home = `${node.root}/served`
  mkdirSync(home)
  const slow = await mountSlow(home, home, { latencyMs: 0, validSeconds: 0 })
  try {
    await slow.hang({})
    const started = performance.now()
    const { status, broken, of } = await examine(node, { HOME: home, XDG_CONFIG_HOME: `${node.root}/none` })
    assert.ok(performance.now() - started < 20_000)
    assert.equal(status, 1)
    for (const check of ['Jupyter kernels', 'scripts in your home', 'user site'])
      assert.ok(broken.includes(check), check)
    for (const check of ['local disks', 'environment', 'namespaces']) assert.ok(!broken.includes(check), check)
    assert.match(of('user site')[0]!, /no answer within 5 seconds: a file server does not answer/)
    assert.match(of('local disks')[0]!, /^good|^note/)
  } finally {
    await slow.release()
    await slow.unmount()
  }
})
