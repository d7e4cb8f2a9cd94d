import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ended, LAUNCHER, startCommand, type World, world } from '../cli/world.ts'
import { type SshNodes, startSshNodes } from './ssh-nodes.ts'

const ALL = ['n1', 'n2', 'n3']
const options = { skip: process.getuid!() !== 0 && 'nodes of their own take root' }

interface Cluster extends SshNodes {
  place: World
  session(script: string): ReturnType<typeof startCommand>
  /** What is in the local folders of the nodes. */
  disks(): string[]
}

async function cluster(context: TestContext, sizes = ['100m', '100m', '100m']): Promise<Cluster> {
  const place = await world(context)
  // It does not get smaller when it is compressed, so that sending it takes a moment.
  writeFileSync(`${place.prefix}/share/noise`, randomBytes(20_000_000))
  const nodes = await startSshNodes(context, place, sizes)
  const begin = `eval "$('${LAUNCHER}' --source=bash)"
    export CONDA_PREFIX='${place.prefix}' PATH='${place.prefix}/bin':$PATH CONDA_STAGE_PATH='${place.local}'\n`
  return {
    ...nodes,
    place,
    session: (script) => startCommand(place, ['bash', '-c', begin + script], { env: nodes.env }),
    disks: () => ALL.map((node) => nodes.on(node, `ls -A ${place.local}`).trim()),
  }
}

const run = (nodes: Cluster, script: string): Promise<Ended> => nodes.session(script).ended

test(
  'through ssh every node has the copy at the same path, reads neither original nor archive for it, and --unstage removes it there',
  options,
  async (context) => {
    const nodes = await cluster(context)
    const { place, disks } = nodes
    const { status, stdout, stderr } = await run(
      nodes,
      `conda-stage --nodes='n[1-3]' --launcher=ssh || exit
    for node in n1 n2 n3; do ssh $node $CONDA_PREFIX/bin/greet --prefix; done
    env -u CONDA_PREFIX bash -c 'eval "$(${LAUNCHER} --source=bash)"; CONDA_PREFIX=${place.prefix} conda-stage --nodes=n2,n1,n2 --launcher=ssh && conda-stage --unstage' || exit
    ssh n2 ls ${place.local}
    conda-stage --unstage`,
    )
    assert.equal(status, 0, stderr)
    const [first, ...others] = stdout.trim().split('\n')
    assert.ok(first!.startsWith(`${place.local}/conda-stage_`), stdout)
    assert.deepEqual(others, [first, first, basename(dirname(first!))])
    assert.match(stderr, /Sending .* to 3 nodes/)
    assert.equal(stderr.match(/Sending/g)!.length, 1, 'nodes that have the copy get nothing')
    assert.deepEqual(disks(), ['', '', ''])
    assert.deepEqual(readdirSync(place.local), [])
  },
)

test(
  'a node that ssh does not reach, or that is full, is named with its reason; then no node keeps anything, and the original stays active',
  options,
  async (context) => {
    const nodes = await cluster(context, ['100m', '100m', '10m'])
    const { place, disks } = nodes
    const { status, stdout, stderr } = await run(
      nodes,
      `conda-stage --nodes=n1,gone,n2,silent,n3 --launcher=ssh; code=$?; echo $CONDA_PREFIX; exit $code`,
    )
    assert.equal(status, 1, stderr)
    assert.equal(stdout, `${place.prefix}\n`)
    assert.match(stderr, /3 of 5 nodes can't have the copy/)
    assert.match(stderr, /gone: .*Connection refused/)
    assert.match(stderr, /silent: .*timed out/i)
    assert.match(stderr, /n3: .* has too little room/)
    assert.match(stderr, /--nodes=n1,n2/)
    assert.deepEqual(disks(), ['', '', ''])
    assert.deepEqual(readdirSync(place.local), [])
  },
)

test(
  'with --on-node-failure=continue the other nodes keep the copy, and CONDA_STAGE_NODES names them',
  options,
  async (context) => {
    const nodes = await cluster(context, ['100m', '100m', '10m'])
    const { status, stdout, stderr } = await run(
      nodes,
      `conda-stage --nodes=n1,n2,n3,gone --launcher='ssh {node}' --on-node-failure=continue || exit
    echo $CONDA_STAGE_NODES
    ssh n2 $CONDA_PREFIX/bin/greet --prefix; ssh n3 ls ${nodes.place.local}
    conda-stage --unstage`,
    )
    assert.equal(status, 0, stderr)
    const [names, copy, ...others] = stdout.trim().split('\n')
    assert.equal(names, 'n1,n2')
    assert.match(copy!, /\/conda-stage_/)
    assert.deepEqual(others, [])
    assert.match(stderr, /WARNING: Node gone has no copy/)
    assert.match(stderr, /WARNING: Node n3 has no copy/)
    assert.deepEqual(nodes.disks(), ['', '', ''])
  },
)

test('Ctrl-C while the archive is sent leaves nothing on any node', options, async (context) => {
  const nodes = await cluster(context)
  const { child, ended } = nodes.session(`exec '${LAUNCHER}' --prefix=$CONDA_PREFIX --nodes=n1,n2,n3 --launcher=ssh`)
  let text = ''
  child.stderr!.on('data', (more) => {
    const isFirst = !text.includes('Sending')
    text += more
    if (isFirst && text.includes('Sending')) child.kill('SIGINT')
  })
  const { status, stdout, stderr } = await ended
  assert.notEqual(status, 0)
  assert.equal(stdout, '', stderr)
  assert.match(stderr, /Stopped by SIGINT: nothing was staged/)
  assert.deepEqual(nodes.disks(), ['', '', ''])
  assert.deepEqual(readdirSync(nodes.place.local), [])
})

test('an archive by itself reaches every node, where its environment is not looked for', options, async (context) => {
  const nodes = await cluster(context)
  const { place, disks } = nodes
  const file = `${place.root}/alone.tar.zst`
  const { status, stdout, stderr } = await run(
    nodes,
    `conda-stage --pack --prefix=${place.prefix} --output=${file} && mv ${place.prefix} ${place.root}/gone || exit
    unset CONDA_PREFIX
    conda-stage --archive=${file} --nodes=n1,n2 --launcher=ssh || exit
    for node in n1 n2; do ssh $node $CONDA_PREFIX/bin/greet --prefix; done
    conda-stage --unstage; echo "\${CONDA_PREFIX-none}"`,
  )
  assert.equal(status, 0, stderr)
  const [first, second, active] = stdout.trim().split('\n')
  assert.ok(first!.startsWith(`${place.local}/conda-stage_`), stdout)
  assert.deepEqual([second, active, disks()], [first, 'none', ['', '', '']])
})
