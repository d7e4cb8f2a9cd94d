/** How people call conda-unpack, and what it meets in an environment. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { pack } from '../../src/index.ts'
import { mendHead } from '../../src/relocate/shebang.ts'
import { temporaryFolder } from '../cli/world.ts'
import { end, output, unpack } from './support.ts'

const SCRIPT = join(import.meta.dirname, '../../src/conda-pack/templates/conda-unpack')

/** Packs an environment with these files and symbolic links, in which P stands for its prefix, and unpacks it. */
async function unpacked(
  context: TestContext,
  files: Record<string, string>,
  links: Record<string, string> = {},
): Promise<{ root: string; there: string }> {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/miniconda3/envs/x`
  mkdirSync(`${prefix}/conda-meta`, { recursive: true })
  for (const folder of ['bin', 'share', 'lib']) mkdirSync(`${prefix}/${folder}`)
  writeFileSync(`${prefix}/conda-meta/history`, '==> now <==\n')
  for (const [path, text] of Object.entries({ 'share/where': 'P', ...files }))
    writeFileSync(`${prefix}/${path}`, text.replaceAll('P', prefix), { mode: 0o755, encoding: 'latin1' })
  for (const [path, target] of Object.entries(links)) symlinkSync(target.replace('P', prefix), `${prefix}/${path}`)
  await pack({ prefix, output: `${root}/a.tar`, format: 'tar', env: { HOME: root } })
  const there = `${root}/there`
  await unpack(`${root}/a.tar`, 'tar', there)
  rmSync(prefix, { recursive: true })
  return { root, there }
}

/** Shell code that calls it. THERE stands for the environment, ROOT for the folder of it. */
const CALLS: Record<string, string> = {
  'by its path': 'THERE/bin/conda-unpack',
  'by a path from another folder of the environment': 'cd THERE/share && ../bin/conda-unpack',
  'in its own folder': 'cd THERE/bin && ./conda-unpack',
  'from PATH': 'PATH=THERE/bin:$PATH; cd /; conda-unpack',
  'after activation': '. THERE/bin/activate; cd /; conda-unpack',
  'by python3': 'python3 THERE/bin/conda-unpack',
  'by python3 in its own folder': 'cd THERE/bin && python3 conda-unpack',
  'by an isolated python3': 'cd THERE && python3 -I -S bin/conda-unpack',
  'by sh in its own folder': 'cd THERE/bin && sh conda-unpack',
  'by bash': 'cd THERE && bash bin/conda-unpack',
  'by bash from PATH': 'PATH=THERE/bin:$PATH; cd /; bash conda-unpack',
  'by zsh': 'cd THERE/bin && zsh conda-unpack',
  'by sourcing it, which leaves the shell alone': '. THERE/bin/conda-unpack; echo still here',
  'by a link': 'ln -s THERE/bin/conda-unpack ROOT/link; ROOT/link',
  'by a relative link of another name in its own folder': 'ln -s conda-unpack THERE/bin/cu; THERE/bin/cu',
  'by python3 and a link': 'ln -s there/bin/conda-unpack ROOT/link; cd ROOT; python3 link',
  'with CDPATH set': 'export CDPATH=/; cd ROOT; there/bin/conda-unpack',
  'with an empty environment': 'cd /; env -i THERE/bin/conda-unpack',
  'from a folder that is gone': 'mkdir ROOT/gone; cd ROOT/gone; rmdir ROOT/gone; THERE/bin/conda-unpack',
}

describe('conda-unpack relocates when it is called', () => {
  for (const [how, code] of Object.entries(CALLS))
    test(how, async (context) => {
      const { root, there } = await unpacked(context, { 'bin/json.py': 'raise SystemExit("not the module")\n' })
      const text = await output('bash', ['-c', code.replaceAll('THERE', there).replaceAll('ROOT', root)])
      assert.equal(text, how.includes('sourcing') ? 'still here\n' : '')
      assert.equal(readFileSync(`${there}/share/where`, 'utf8'), there)
      assert.ok(!existsSync(`${there}/bin/__pycache__`))
    })
})

test('conda-unpack called through a link to the environment writes the path of the link', async (context) => {
  for (const code of [
    'link/bin/conda-unpack',
    'cd link && python3 bin/conda-unpack',
    'cd link/bin && sh conda-unpack',
  ]) {
    const { root, there } = await unpacked(context, {})
    symlinkSync(there, `${root}/link`)
    await output('bash', ['-c', code], { cwd: root })
    assert.equal(readFileSync(`${there}/share/where`, 'utf8'), `${root}/link`, code)
  }
})

test('conda-unpack copied out of its environment, or sourced by dash, says what to run and changes nothing', async (context) => {
  const { root, there } = await unpacked(context, {})
  mkdirSync(`${root}/bin`)
  renameSync(`${there}/bin/conda-unpack`, `${root}/bin/conda-unpack`)
  for (const [program, ...args] of [
    [`${root}/bin/conda-unpack`],
    ['python3', `${root}/bin/conda-unpack`],
    ['dash', '-c', `. '${root}/bin/conda-unpack'`],
  ]) {
    const { status, stderr } = await end(program!, args)
    assert.equal(status, 1)
    assert.match(stderr, /not in an unpacked environment\. Run the bin\/conda-unpack of one|Nothing was changed/)
  }
})

test('conda-unpack ends with the status of its work, whoever runs it', async (context) => {
  const { there } = await unpacked(context, {})
  for (const program of ['sh', 'bash', 'zsh', 'python3']) {
    const { status, stderr } = await end(program, [`${there}/bin/conda-unpack`, '--wrong'])
    assert.deepEqual([status, stderr.split('\n')[0]], [1, 'conda-unpack: unknown argument --wrong'], program)
    assert.match(await output(program, [`${there}/bin/conda-unpack`, '--version']), /^conda-unpack /)
    assert.match(await output(program, [`${there}/bin/conda-unpack`, '--help']), /^usage: conda-unpack /)
  }
})

test('links that lead out of the environment and in again, or in by another spelling, end in the unpacked one', async (context) => {
  const links = {
    'share/again': '../../x/share/where',
    'share/all': '../../x',
    'share/absolute': 'P/../x/share/where',
    'share/slashes': 'P//share/./where',
    'lib/plain': 'P/share/where',
    'lib/beside': 'P/../other',
  }
  const { root, there } = await unpacked(context, { 'lib/file': '' }, links)
  for (const _ of ['once', 'again']) {
    await output(`${there}/bin/conda-unpack`, [])
    const targets = Object.keys(links).map((path) => resolve(there, dirname(path), readlinkSync(`${there}/${path}`)))
    const where = `${there}/share/where`
    assert.deepEqual(targets, [where, there, where, where, where, `${root}/home/miniconda3/envs/other`])
  }
})

test('files with names of 255 bytes are relocated, in folders with as long names', async (context) => {
  const long = 'n'.repeat(255)
  const accented = 'é'.repeat(127)
  const { there } = await unpacked(context, { [`share/${long}`]: 'P/a', [`lib/${accented}`]: 'P/b' })
  chmodSync(`${there}/share`, 0o555)
  await output(`${there}/bin/conda-unpack`, [])
  assert.equal(readFileSync(`${there}/share/${long}`, 'utf8'), `${there}/a`)
  assert.equal(readFileSync(`${there}/lib/${accented}`, 'utf8'), `${there}/b`)
})

test('scripts run after unpacking at a path too long for a first line, and after each move', async (context) => {
  const files = {
    'bin/future': '#!P/bin/python\n"""Doc."""\nfrom __future__ import annotations\nprint(__doc__)\n',
    'bin/latin': '#!P/bin/python\n# -*- coding: latin-1 -*-\nprint(len("caf\xe9"))\n',
    'bin/windows': '#!P/bin/python\r\nprint("ran")\r\n',
    'bin/options': '#!P/bin/python -Xa="b  c"\nimport sys\nprint(sys._xoptions["a"])\n',
    'bin/through-env': '#!/usr/bin/env P/bin/python\nprint("ran")\n',
    'bin/in-perl': '#!P/bin/perl -w\nprint "ran $^W\\n";\n',
  }
  const { root, there } = await unpacked(context, files)
  const program = (name: string) =>
    execFileSync('sh', ['-c', `readlink -f "$(command -v ${name})"`], { encoding: 'utf8' })
  for (const name of ['python', 'perl'])
    symlinkSync(program(name === 'python' ? 'python3' : name).trim(), `${there}/bin/${name}`)
  let at = there
  for (const to of [`${root}/${'l'.repeat(150)}`, `${root}/it's $HOME "far"`, `${root}/coding=${'m'.repeat(150)}`]) {
    renameSync(at, to)
    at = to
    await output('python3', [`${at}/bin/conda-unpack`])
    const prints: string[] = []
    for (const path of Object.keys(files))
      prints.push(await output(`${at}/${path}`, [], { env: { PATH: '/usr/bin:/bin' } }))
    assert.deepEqual(
      prints.map((text) => text.trim()),
      ['Doc.', '4', 'ran', '"b  c"', 'ran', 'ran 1'],
      at,
    )
  }
})

describe('conda-unpack writes the same first lines as staging', () => {
  const HEADS = [
    '#!P/bin/python',
    '#! P/bin/python3.11 -E  -s \r',
    '#!P/bin/python\t-E\t-s',
    '#!P/bin/python\n# -*- coding: latin-1 -*-',
    '#!P/bin/python -X "a  b"',
    '#!P/bin/pypy3',
    '#!P/bin/perl -w',
    '#!P/bin/Rscript',
    "#!P/bin/Rscript --x='y'",
    '#!/usr/bin/env P/bin/python -u',
    `#!/usr/bin/env -S A=b "P/bin/python" '-Xc d'`,
    '#!/usr/bin/env --split-string=P/bin/ruby -w',
    `#!/bin/sh\n'''exec' P/bin/python "$0" "$@"`,
    `#!/bin/sh\n'''exec' "P/bin/python" -s "$0" "$@" #'''`,
    '#!/bin/sh\n\f#/ 2>/dev/null || exec "P/bin/python" "$0" "$@"',
    '#!/bin/sh\n#\n\f#/ 2>/dev/null || exec P/bin/python "$0" "$@"',
    `#!/bin/sh\n# coding=x\n\f#/ 2>/dev/null || exec 'P/bin/python' "$0" "$@"`,
    '#!/bin/sh\nexec P/bin/x "$@"',
    '#!P/bin/bash\nexec P/bin/x',
    '#!/usr/bin/python -cP/x',
    '#!/other/bin/python',
  ]
  const PREFIXES = {
    'a short path': '/short',
    'a long path': `/${'l'.repeat(140)}`,
    'a path with a blank': '/b c',
    'a path with signs of the shell': `/b 'c"$d\`\\e`,
    'a path with a line break': '/n\nl',
    'a path beyond ASCII': `/${'é'.repeat(80)}`,
    'a path that reads like an encoding': `/coding=x/${'l'.repeat(140)}`,
  }
  let theirs: string[][]
  const inPrefix = (prefix: string) => HEADS.map((head) => head.replaceAll('P', Buffer.from(prefix).toString('latin1')))
  before(() => {
    const code = `
import importlib.machinery, json, sys, types
sys.dont_write_bytecode = True
module = types.ModuleType("unpack")
importlib.machinery.SourceFileLoader("unpack", sys.argv[1]).exec_module(module)
print(json.dumps([
    [module.mended(head.encode("latin-1"), prefix.encode("utf-8")).decode("latin-1") for head in heads]
    for prefix, heads in json.load(sys.stdin)
]))`
    const input = JSON.stringify(Object.values(PREFIXES).map((prefix) => [prefix, inPrefix(prefix)]))
    theirs = JSON.parse(execFileSync('python3', ['-c', code, SCRIPT], { input, encoding: 'utf8' }))
  })
  for (const [at, [what, prefix]] of Object.entries(PREFIXES).entries())
    test(`at ${what}`, () => {
      const to = Buffer.from(prefix).toString('latin1')
      assert.deepEqual(
        theirs[at],
        inPrefix(prefix).map((head) => mendHead(head, to)),
      )
    })
})
