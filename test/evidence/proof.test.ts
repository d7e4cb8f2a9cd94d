/** --proof: an ordinary user's command runs from the copy, while home and data are on a file server. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import type { Proof } from '../../src/evidence/proof.ts'
import { temporaryFolder } from '../cli/world.ts'
import { NEEDS_ROOT, type Node, nodeWith } from '../mount/world.ts'

const NO_SERVER = { skip: slowfsUnavailable() ?? false }

interface Served extends Node {
  server: string
}

/** The user's home and other folders are on a file server; the environment is not. */
async function withServer(context: TestContext, body: (node: Served) => Promise<unknown>): Promise<void> {
  const node = await nodeWith(context)
  const server = `${node.root}/server`
  mkdirSync(`${server}/home`, { recursive: true })
  const slow = await mountSlow(server, server, { latencyMs: 0 })
  try {
    await body({ ...node, server, env: { ...node.env, HOME: `${server}/home`, TMPDIR: node.local } })
  } finally {
    await slow.unmount()
  }
}

const prove = async (node: Node, command: readonly string[], env: Record<string, string> = {}) => {
  const { status, stdout, stderr } = await node.exec(['--proof', '--json', '--', ...command], {
    env: { ...node.env, ...env },
  })
  assert.equal(status, 0, stderr)
  return { proof: JSON.parse(stdout) as Proof, stderr }
}

/** Reads a file of the environment. */
const READS = 'cat "$CONDA_PREFIX/conda-meta/history" > /dev/null && echo a record'

const onServer = ({ mounts }: Proof) => mounts.filter(({ kind }) => kind === 'network')

test(
  'a command that needs only its environment asks no file server, and its output is on standard error',
  NO_SERVER,
  (context) =>
    withServer(context, async (node) => {
      const { proof, stderr } = await prove(node, ['sh', '-c', READS])
      assert.match(stderr, /^a record$/m)
      assert.deepEqual([onServer(proof), proof.remaining, proof.lookUpsOfOriginal, proof.status], [[], [], 0, 0])
      assert.ok(proof.touched > 0 && proof.touched <= proof.files, JSON.stringify(proof))
      assert.ok(proof.mounts.some(({ kind, hasCopy }) => kind === 'local' && hasCopy))
      assert.equal(
        proof.lookUps,
        proof.mounts.reduce((sum, { lookUps }) => sum + lookUps, 0),
      )
      assert.ok(await node.isEmpty())
    }),
)

/** What a program does that has 8 threads, and starts 300 others, 10 of which run at the same time. */
const CROWD = `
import os, subprocess, threading
os.chdir(os.environ["HOME"])
def look():
    for n in range(100): os.path.lexists("thread/%d" % n)
threads = [threading.Thread(target=look) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
for _ in range(30):
    crowd = [subprocess.Popen(["/bin/sh", "-c", "[ -e child ] || [ -e ../home/child ] || exit 0"], env={}) for _ in range(10)]
    for each in crowd: each.wait()
`

test(
  'every look-up of threads and hundreds of children is counted, and those that find nothing',
  NO_SERVER,
  (context) =>
    withServer(context, async (node) => {
      const { proof } = await prove(node, ['/usr/bin/python3', '-SEs', '-c', CROWD])
      const [own] = onServer(proof)
      // One for the current folder.
      assert.deepEqual([own!.lookUps, own!.notFound, proof.unknown], [1 + 800 + 600, 800 + 600, 0])
    }),
)

/** Asks as programs of 32 bits do. Needs no library of theirs, which a machine may not have. */
const OF_32_BITS = `
static int call(int number, const char *path) {
  int answer;
  __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(path), "c"(0) : "memory");
  return answer;
}
void _start(void) {
  call(12, HOME);                                       /* chdir */
  for (int n = 0; n < 3; n++) call(5, "none");          /* open */
  if (call(2, 0) == 0) call(33, "none");                /* fork, access */
  call(1, 0);                                           /* exit */
}`

test(
  'a child of 32 bits is counted as any other',
  process.arch === 'x64' ? NO_SERVER : { skip: 'programs of 32 bits are those of x64' },
  (context) =>
    withServer(context, async (node) => {
      const [source, program] = [`${node.root}/look.c`, `${node.root}/look`]
      writeFileSync(source, OF_32_BITS)
      const options = ['-m32', '-nostdlib', '-static', '-no-pie', '-fno-pie', '-fno-stack-protector']
      execFileSync('gcc', [...options, `-DHOME="${node.server}/home"`, '-o', program, source])
      const { proof } = await prove(node, ['sh', '-c', `${program}; ${program}; true`])
      const [own] = onServer(proof)
      assert.deepEqual([own!.lookUps, own!.notFound, proof.unknown], [2 * 5, 2 * 4, 0])
    }),
)

test(
  'an overlay with a layer on a file server, and a bind mount of a folder there, ask that server',
  {
    skip: NO_SERVER.skip || NEEDS_ROOT,
  },
  (context) =>
    withServer(context, async (node) => {
      const { server, root } = node
      mkdirSync(`${server}/lower`)
      for (const folder of ['over', 'bound', 'upper', 'work', 'plain', 'lower']) mkdirSync(`${root}/${folder}`)
      const mounts = `cd "$1"; shift
      mount -t overlay -o lowerdir=server/lower,upperdir=upper,workdir=work overlay over
      mount -t overlay -o lowerdir=lower:upper overlay plain
      mount --bind server/lower bound
      exec "$@"`
        .replaceAll('server/', `${server}/`)
        .replace(/(=|:)(?=(?:upper|work|lower)\b)/g, `$1${root}/`)
      const inside = ['unshare', '-m', '--propagation=private', 'sh', '-ec', mounts, 'sh', root]
      const looks = `cd /; for each in over bound plain; do [ -e ${root}/$each/none ]; done; true`
      const { status, stdout, stderr } = await node.exec(['--proof', '--json', '--', 'sh', '-c', looks], { inside })
      assert.equal(status, 0, stderr)
      const kinds = (JSON.parse(stdout) as Proof).mounts.map(({ mountPoint, kind, lookUps }) => [
        mountPoint,
        kind,
        lookUps,
      ])
      for (const expected of [
        [`${root}/over`, 'network', 1],
        [`${root}/bound`, 'network', 1],
        [`${root}/plain`, 'local', 1],
      ])
        assert.ok(
          kinds.some((each) => `${each}` === `${expected}`),
          `${expected}: ${JSON.stringify(kinds)}`,
        )
    }),
)

test('each thing that still asks a file server has its reason and its remedy', NO_SERVER, (context) =>
  withServer(context, async (node) => {
    const { server, prefix, env } = node
    for (const folder of ['extra', 'work', 'linked', 'source']) mkdirSync(`${server}/${folder}`)
    for (const file of ['linked/data', 'source/code.py', 'work/run.cfg']) writeFileSync(`${server}/${file}`, 'x\n')
    symlinkSync(`${server}/linked`, `${prefix}/share/linked`)
    mkdirSync(`${prefix}/lib/python3.11/site-packages`, { recursive: true })
    writeFileSync(`${prefix}/lib/python3.11/site-packages/mine.pth`, `${server}/source\n`)
    writeFileSync(`${prefix}/share/original`, '')
    const looks = [
      'cat ~/.local/lib/python3.11/site-packages/mine.pth',
      `cat ${server}/extra/library.so`,
      'cat $CONDA_PREFIX/share/linked/data',
      `cat ${server}/source/code.py`,
      `cat ${server}/work/run.cfg ./run.cfg`,
      'cat ~/.ipython/profile',
      'cat ~/.toolrc',
      'cat $OLD/share/original',
    ]
    const { stdout, stderr } = await node.exec(
      ['--proof', '--json', '--', 'sh', '-c', looks.join('\n').concat('\ntrue')],
      {
        env: { ...env, MY_LIBRARIES: `/nowhere:${server}/extra`, OLD: prefix },
        cwd: `${server}/work`,
      },
    )
    assert.notEqual(stdout, '', stderr)
    const { remaining, lookUpsOfOriginal } = JSON.parse(stdout) as Proof
    const found = Object.fromEntries(
      remaining.map(({ kind, folder, why, remedy }) => [`${kind} ${folder}`, `${why}; ${remedy}`]),
    )
    for (const [name, says] of [
      [`user site ${server}/home/.local/lib/python3.11/site-packages`, /PYTHONNOUSERSITE=1/],
      [`variable ${server}/extra`, /MY_LIBRARIES/],
      ['link out of the environment', /share\/linked/],
      [`editable install ${server}/source`, /mine/],
      [`current folder ${server}/work`, /PYTHONSAFEPATH=1/],
      [`home ${server}/home/.ipython`, /IPYTHONDIR/],
      [`home ${server}/home/.toolrc`, /settings/],
      [`original ${prefix}`, /OLD names the original/],
    ] as const) {
      const key = Object.keys(found).find((each) => each.startsWith(name))
      assert.match(found[key ?? ''] ?? `none of ${Object.keys(found)} is ${name}`, says)
    }
    assert.equal(lookUpsOfOriginal, 1)
  }),
)

test('people read one line of counts, and then why', NO_SERVER, (context) =>
  withServer(context, async (node) => {
    const { stdout } = await node.exec(
      ['--proof', '--', 'sh', '-c', '[ -e ~/.local/lib/python3.11/site-packages ]; true'],
      {
        env: node.env,
      },
    )
    const [first, ...others] = stdout.split('\n')
    assert.match(
      first!,
      /^\d+ look-ups: \d+ on local disk \(.*\), .*1 on fuse\S* \(~\/\.local\/lib\/python3\.11\/site-packages\)$/,
    )
    assert.match(
      others.join('\n'),
      /1 look-up \(nothing was there\) on fuse.*\n.*pip install --user.*\n {4}-> PYTHONNOUSERSITE=1/,
    )
  }),
)

test('in a staged session, the copy that is active is measured, and stays', async (context) => {
  const node = await nodeWith(context)
  const copy = (await node.exec([`--prefix=${node.prefix}`])).stdout.trim()
  const env = { ...node.env, CONDA_PREFIX: copy, PATH: `${copy}/bin:/usr/bin:/bin` }
  const { proof } = await prove(node, ['sh', '-c', READS], env)
  assert.deepEqual([proof.copy, proof.original], [copy, node.prefix])
  assert.ok(existsSync(copy))
})

test('a command that fails is counted, and makes the call fail; nothing is left of either', async (context) => {
  const node = await nodeWith(context)
  const failed = await node.exec(['--proof', '--json', '--', 'sh', '-c', 'exit 3'])
  const { status, error } = JSON.parse(failed.stdout)
  assert.deepEqual([failed.status, status, error], [1, 3, undefined])
  assert.match(failed.stderr, /ERROR: sh -c exit 3 ended with status 3/)
  const killed = await node.exec(['--proof', '--json', '--', 'sh', '-c', 'kill -9 $$'], { env: { TMPDIR: node.local } })
  assert.equal(JSON.parse(killed.stdout).status, 137, killed.stderr)
  const none = await node.exec(['--proof', '--json', '--', 'no-such-command'])
  assert.equal(JSON.parse(none.stdout).error.code, 'NO_PROGRAM')
  assert.ok(await node.isEmpty())
})

test('a signal ends a command that never would, however it clings, and what it did is still told', async (context) => {
  const node = await nodeWith(context)
  const runs = `${node.root}/cache/runs`
  const clings = `trap "" INT TERM; setsid sleep 100 & : > '${runs}'; while :; do sleep 0.2; done`
  const { child, ended } = node.start(['--proof', '--json', '--', 'sh', '-c', clings])
  while (!existsSync(runs) && child.exitCode === null) await pause(50)
  child.kill('SIGTERM')
  const { status, stdout, stderr } = await ended
  assert.equal(status, 1, stderr)
  assert.ok((JSON.parse(stdout) as Proof).lookUps > 0)
  assert.match(stderr, /was ended by SIGKILL/)
  assert.ok(await node.isEmpty())
})

test(
  'the interpreter that a script names in its first line counts, because the kernel looks it up',
  NO_SERVER,
  (context) =>
    withServer(context, async (node) => {
      symlinkSync('/bin/sh', `${node.server}/interpreter`)
      writeFileSync(`${node.local}/script`, `#!${node.server}/interpreter\nexit 0\n`, { mode: 0o755 })
      const { proof } = await prove(node, ['sh', '-c', `${node.local}/script; ${node.local}/script`])
      // The link is on the server; what it leads to, and all else, is not.
      const reasons = proof.remaining.map(({ examples }) => examples)
      assert.deepEqual(reasons, [])
      assert.deepEqual(onServer(proof), [])
      writeFileSync(`${node.server}/plain`, readFileSync('/bin/sh'), { mode: 0o755 })
      writeFileSync(`${node.local}/script`, `#! ${node.server}/plain -e\nexit 0\n`)
      const again = await prove(node, ['sh', '-c', `${node.local}/script; ${node.local}/script`])
      assert.equal(onServer(again.proof)[0]!.lookUps, 2)
    }),
)

test('without strace, or where it may not trace, a message says what to do, and nothing is staged', async (context) => {
  const node = await nodeWith(context)
  const folder = temporaryFolder(context)
  chmodSync(folder, 0o755)
  writeFileSync(
    `${folder}/strace`,
    '#!/bin/sh\necho "strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted" >&2\nexit 1\n',
  )
  chmodSync(`${folder}/strace`, 0o755)
  const forbidden = await node.exec(['--proof', '--', 'true'], { env: { CONDA_STAGE_STRACE: `${folder}/strace` } })
  assert.deepEqual([forbidden.status, forbidden.stdout], [1, ''])
  assert.match(forbidden.stderr, /may not trace programs here: ptrace.*not permitted\n.*ptrace/)
  const wrong = await node.exec(['--proof', '--', 'true'], { env: { CONDA_STAGE_STRACE: '/nowhere/strace' } })
  assert.match(wrong.stderr, /CONDA_STAGE_STRACE=\/nowhere\/strace names no program/)
  assert.deepEqual(readdirSync(node.local), [])
})

for (const [args, says] of [
  [['--proof'], /--proof needs a command/],
  [['--proof', '--writable', '--', 'true'], /can't be combined/],
] as const)
  test(`'${args.join(' ')}' is a mistake, and says so`, async (context) => {
    const { status, stderr } = await (await nodeWith(context)).exec(args)
    assert.equal(status, 2)
    assert.match(stderr, says)
  })
