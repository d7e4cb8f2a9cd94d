/** --doctor: what is broken, what could be better, and what to do. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import type { Finding } from '../../src/evidence/doctor/finding.ts'
import { listing } from '../cli/world.ts'
import { NEEDS_ROOT, type Node, nodeWith } from '../mount/world.ts'

async function examine(node: Node, env: Record<string, string> = {}) {
  // A PATH that leads to a silent server is for the program alone.
  const set = Object.entries({ PATH: node.env.PATH, ...env }).map(([name, value]) => `${name}=${value}`)
  const command = ['/usr/bin/env', ...set, node.launcher, '--doctor', '--json']
  const { status, stdout, stderr } = await node.under(command, { env: { PATH: '/usr/bin:/bin' } })
  assert.notEqual(stdout, '', stderr)
  const findings = JSON.parse(stdout).findings as Finding[]
  for (const { check, state, remedy } of findings) assert.ok(state !== 'bad' || remedy, check)
  const of = (check: string) =>
    findings.filter((finding) => finding.check === check).map(({ state, says }) => `${state}: ${says}`)
  return {
    status,
    of,
    findings,
    broken: findings.filter(({ state }) => state === 'bad').map(({ check }) => check),
    stderr,
  }
}

test('where all is well, nothing is broken, nothing is left behind, and the disk and the environment are measured', async (context) => {
  const node = await nodeWith(context)
  const before = [...listing(node.root).keys()]
  const { status, of, broken } = await examine(node)
  assert.deepEqual([status, broken], [0, []])
  assert.deepEqual([...listing(node.root).keys()], before)
  assert.match(
    of('local disks')[0]!,
    /^\w+: .*\/local: \w+, [\d,]+ MB and .* free, writes [\d,]+ MB\/s, reads [\d,]+ MB\/s.*, a look-up takes (?:less than )?\d+\.\d{3} ms$/,
  )
  assert.match(of('environment')[0]!, /myjupyter: \w+.*a look-up takes (?:less than )?\d+\.\d{3} ms/)
  assert.match(of('archive')[0]!, /is missing$/)
  for (const check of ['shell function', 'namespaces', 'images', 'scheduler', 'package managers', 'strace', 'copies'])
    assert.equal(of(check).length, 1, check)
})

test('without an environment, what is mounted somewhere in /tmp does not count against namespaces', async (context) => {
  const node = await nodeWith(context)
  const mounted = `mount -t tmpfs none "$1" && shift && unset CONDA_PREFIX && exec "$@"`
  const within = ['unshare', '-Um', '--map-current-user', '--keep-caps', 'sh', '-c', mounted, 'sh', node.env.HOME!]
  const { stdout, stderr } = await node.under([...within, node.launcher, '--doctor'])
  assert.match(stdout, /^ok {4}namespaces: /m, stdout + stderr)
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
  const folder = await examine(node, { CONDA_PREFIX: node.root })
  assert.match(`${folder.of('active environment')}`, /is active, but is no environment: it has no conda-meta folder/)
  const { status, of, broken, stderr } = await examine(node, { CONDA_STAGE_PATH: '/proc', CONDA_PREFIX: gone })
  assert.equal(status, 1)
  assert.deepEqual(broken.sort(), ['Jupyter kernels', 'active environment', 'archive', 'local disks'])
  assert.deepEqual(of('Jupyter kernels'), [
    `bad: ${kernels}/lost starts /tmp/conda-stage_gone/myjupyter/bin/python, which is gone`,
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
  assert.deepEqual(of('scripts in your home'), ['note: ~/bin/tool leads to the original'])
  assert.deepEqual(of('Jupyter kernels'), [
    `note: ${home}/.local/share/jupyter/kernels/own starts the original's ${prefix}/bin/python`,
  ])
  assert.match(of('auto_activate')[0]!, /^note: conda activates its base environment in each new shell/)
  writeFileSync(`${home}/.condarc`, 'auto_activate: false\n')
  assert.match((await examine(node, conda)).of('auto_activate')[0]!, /^good: is off/)
})

test('a copy from which a program runs is in use, although nobody has it active: --list says so, and --doctor', async (context) => {
  const node = await nodeWith(context)
  copyFileSync('/bin/sleep', `${node.prefix}/bin/rest`)
  const inside = ['setsid', '-w', 'sh', '-c', '"$@"; true', 'sh']
  const copy = (await node.exec(['--keep', `--prefix=${node.prefix}`], { inside })).stdout.trim()
  const ended = node.under([`${copy}/bin/rest`, '30'])
  while (!node.processes().includes(`${copy}/bin/rest`)) await pause(20)
  const [listed] = JSON.parse((await node.exec(['--list', '--json'])).stdout).stages
  const [pid] = listed.programs
  assert.deepEqual([listed.users, listed.programs.length], [[], 1])
  const { stdout } = await node.exec(['--list'])
  assert.match(stdout, new RegExp(`used by programs that run from it: process ${pid} \\(rest\\)`))
  assert.match((await examine(node)).of('copies')[0]!, /^good: 1 on this node, all in use/)
  process.kill(pid)
  await ended
})

test('a copy that nobody uses is named, with its size', async (context) => {
  const node = await nodeWith(context)
  // Whoever made it has ended.
  await node.exec(['--keep', `--prefix=${node.prefix}`], { inside: ['setsid', '-w', 'sh', '-c', '"$@"; true', 'sh'] })
  const { of } = await examine(node)
  assert.match(of('copies')[0]!, /^note: nobody uses 1 of 1 copies/)
})

const skip = slowfsUnavailable() ?? false

/** Runs it while the file server of this folder gives no answer, to anybody. */
async function whileSilent(node: Node, folder: string, env: Record<string, string>) {
  renameSync(folder, `${folder}.behind`)
  mkdirSync(folder)
  const server = await mountSlow(`${folder}.behind`, folder, { latencyMs: 0, validSeconds: 0 })
  try {
    await server.hang({})
    const started = performance.now()
    const result = await examine(node, env)
    assert.ok(performance.now() - started < 20_000)
    assert.equal(result.status, 1)
    assert.match(
      result.of('file servers').join(),
      new RegExp(`^bad: no answer from ${folder} \\(fuse[.\\w]*\\) within 3 seconds, asked for ${folder}`),
    )
    for (const check of ['local disks', 'namespaces', 'strace', 'images', 'scheduler', 'package managers'])
      assert.ok(!result.broken.includes(check) && result.of(check).length > 0, check)
    return result
  } finally {
    await server.release()
    await server.unmount()
  }
}

test('a home whose file server does not answer is found, within seconds, and all else is still told', {
  skip,
}, async (context) => {
  const node = await nodeWith(context)
  const HOME = `${node.root}/served`
  mkdirSync(HOME)
  const { broken, of } = await whileSilent(node, HOME, { HOME, PATH: `${HOME}/bin:${node.env.PATH}` })
  for (const check of ['configuration', 'Jupyter kernels', 'scripts in your home', 'user site'])
    assert.ok(broken.includes(check), check)
  assert.match(of('configuration')[0]!, /served\/\.config\/conda-stage\/config\.yaml: no answer from/)
  assert.equal(of('environment').length, 1)
})

test('so is that of the active environment, also if its programs come first in PATH', { skip }, async (context) => {
  const node = await nodeWith(context)
  // The launcher looks for a Node on PATH, too.
  const PATH = `${node.env.PATH}:${dirname(process.execPath)}`
  const { broken } = await whileSilent(node, node.prefix, { PATH, CONDA_STAGE_NODE: '' })
  assert.ok(broken.includes('active environment'))
})

test('the advice about auto_activate reads all files of conda, in its order', async (context) => {
  const node = await nodeWith(context)
  const root = `${node.root}/conda`
  for (const folder of ['bin', 'conda-meta']) mkdirSync(`${root}/${folder}`, { recursive: true })
  writeFileSync(`${root}/bin/conda`, '', { mode: 0o755 })
  const env = { CONDA_EXE: `${root}/bin/conda` }
  const advice = async (more: Record<string, string> = {}) => {
    const { findings } = await examine(node, { ...env, ...more })
    const { says, remedy = '' } = findings.find(({ check }) => check === 'auto_activate')!
    return remedy || says
  }
  assert.match(await advice(), /^'conda config --set auto_activate false' /)
  writeFileSync(`${root}/conda-meta/conda-24.11.3-py311_0.json`, '{}')
  assert.match(await advice(), /^'conda config --set auto_activate_base false' /)
  const folder = `${node.env.HOME}/.conda/condarc.d`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/mine.yml`, 'auto_activate_base: off\n')
  assert.match(await advice(), /^is off \(.*condarc\.d\/mine\.yml\)$/)
  writeFileSync(`${node.root}/named.yml`, 'auto_activate: yes\n')
  assert.match(await advice({ CONDARC: `${node.root}/named.yml` }), /^'conda config --file .*\/named\.yml --set auto/)
  writeFileSync(`${root}/.condarc`, 'auto_activate: true #!final\n')
  assert.match(await advice(), /^'conda config --file .*\/conda\/\.condarc --set auto/)
  assert.match(await advice({ CONDA_AUTO_ACTIVATE: 'false' }), /^is off \(CONDA_AUTO_ACTIVATE\)$/)
  assert.match(await advice({ CONDA_AUTO_ACTIVATE: 'true' }), /^'unset CONDA_AUTO_ACTIVATE'/)
})

test('scripts and links in your home that lead to the original are named, and those of a copy that is gone are broken', async (context) => {
  const node = await nodeWith(context)
  const bin = `${node.env.HOME}/.local/bin`
  mkdirSync(bin, { recursive: true })
  writeFileSync(`${bin}/calls`, `#!/bin/sh\nexec ${node.prefix}/bin/python -m this\n`)
  symlinkSync(`${node.prefix}/bin/python`, `${bin}/linked`)
  writeFileSync(`${bin}/dead`, '#!/tmp/conda-stage_gone/myjupyter/bin/python\n')
  const made = await node.exec([`--wrappers=${node.env.HOME}`, '--programs=greet'])
  assert.equal(made.status, 0, made.stderr)
  const { of, status } = await examine(node)
  assert.equal(status, 1)
  assert.deepEqual(of('scripts in your home'), [
    'bad: ~/.local/bin/dead starts the Python of a copy that is gone',
    'note: ~/.local/bin/calls, ~/.local/bin/linked lead to the original',
  ])
})

test('a home that may not be read is no bug, and the environment is staged all the same', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const node = await nodeWith(context)
  const HOME = `${node.root}/closed`
  mkdirSync(HOME, { mode: 0 })
  const { of } = await examine(node, { HOME, XDG_CACHE_HOME: '' })
  assert.match(of('archive')[0]!, /^note: .*is missing$/)
  const env = { HOME, XDG_CACHE_HOME: '', XDG_CONFIG_HOME: `${node.root}/none` }
  const { status, stdout, stderr } = await node.exec([`--prefix=${node.prefix}`], { env })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /conda-stage_/)
})

test('a mistake in the configuration is a finding with the line', async (context) => {
  const node = await nodeWith(context)
  const folder = `${node.env.HOME}/.config/conda-stage`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/config.yaml`, 'keep-minutes: [\n')
  const { of, status } = await examine(node, { XDG_CONFIG_HOME: '' })
  assert.equal(status, 1)
  assert.match(of('configuration')[0]!, /^bad: .*config\.yaml, line \d: /)
})

test('each finding has a check, a state, what it says, and no field that the documentation does not name', async (context) => {
  const { findings } = await examine(await nodeWith(context))
  for (const { check, state, says, remedy, ...others } of findings) {
    assert.deepEqual(others, {})
    assert.ok(['good', 'note', 'bad'].includes(state))
    assert.deepEqual(
      [check, says, remedy ?? ''].map((text) => typeof text),
      ['string', 'string', 'string'],
    )
  }
})
