/** What goes wrong on some of the nodes. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { configure } from '../config/place.ts'
import { agentsOn, type Cluster, EMPTY, headOf, NODES, startCluster, User, unavailable } from './cluster.ts'

const skip = unavailable ?? false

let cluster: Cluster
before(async () => {
  if (!skip) cluster = await startCluster()
})
after(async () => {
  if (!skip) await cluster.stop()
})

/** Puts a program of that name in front of Slurm's own, which it finds as `$REAL`. Its arguments are `--jobid=... --force FILE TO`. */
function sbcast({ place: { env } }: User, script: string): string {
  const folder = `${env.HOME}/bin`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/sbcast`, `#!/bin/sh\nREAL=/usr/bin/sbcast\n${script}\n`)
  chmodSync(`${folder}/sbcast`, 0o755)
  return `export PATH='${folder}':$PATH`
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    assert.ok(waited < 30_000, what)
    await pause(20)
  }
}

/** The first call fails as a whole, and the second one goes on. */
const BOTH = `
conda-stage --nodes=all || echo "status $?, active $CONDA_PREFIX"
srun --quiet sh -c "ls -A '$DISK' | grep conda-stage_ | sed 's/^/left: /'"
conda-stage --nodes=all --on-node-failure=continue
echo "nodes $CONDA_STAGE_NODES"
srun --quiet --nodelist=$CONDA_STAGE_NODES --nodes=$(tr , '\\n' <<< $CONDA_STAGE_NODES | grep -c n) greet --prefix | sed "s/^/runs from /"
conda-stage --unstage`

function assertBoth({ place }: User, output: string, nodes: readonly string[], left = 0): void {
  assert.match(output, new RegExp(`^status 1, active ${place.prefix}$`, 'm'), output)
  assert.equal(output.match(/^left: /gm)?.length ?? 0, left, output)
  assert.match(output, new RegExp(`^nodes ${nodes.join(',')}$`, 'm'), output)
  assert.equal(output.match(/^runs from .*conda-stage_/gm)?.length, nodes.length, output)
}

test('a node without room and one without the local folder are named with the reason: no node then has a copy and the original stays active, or, on request, the others have one', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  user.enlarge(20)
  const folder = `${cluster.slurm.disk}/mine`
  configure(user.place, `skip-local: false\nlocal-folders: ['${folder}']\nlocal-folders-only: true\n`)
  await user.on('n1', `mkdir '${folder}'`)
  await user.on('n2', `mkdir '${folder}'; head -c 290000000 /dev/zero > '${folder}/full'`)
  const { code, output } = await user.job(`DISK=$DISK/mine\n${BOTH}`)
  assert.equal(code, 0, output)
  assertBoth(user, output, ['n1'])
  assert.match(output, /^ERROR: 2 of 3 nodes can't have the copy:\n/m)
  assert.match(output, /^ {7}n2: .*mine .*has too little room: /m)
  assert.match(output, /^ {9}.*mine .* does not exist$/m)
  assert.match(output, /^ {7}Leave them out: --nodes=n1; or go on without: --on-node-failure=continue$/m)
  for (const node of ['n2', 'n3']) assert.match(output, new RegExp(`^WARNING: Node ${node} has no copy: `, 'm'))
  await user.on('n2', `rm '${folder}/full'`)
  for (const node of ['n1', 'n2']) await user.on(node, `rmdir '${folder}'`)
  assert.deepEqual(await user.disks(), EMPTY)
})

test('a node whose process is killed while the archive is on its way is named, and what is left there goes with the next call', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  const path = sbcast(user, 'touch ~/sending; until [ ! -e ~/sending ]; do sleep 0.1; done; exec "$REAL" "$@"')
  const again = 'PATH=/usr/bin:$PATH; conda-stage --nodes=all; conda-stage --unstage'
  const id = await user.begin(`${path}\nexport CONDA_STAGE_PATH=$DISK${BOTH}\n${again}`)
  for (let calls = 0; calls < 2; calls++) {
    const sending = `${user.place.env.HOME}/sending`
    await until('the archive is sent', () => existsSync(sending))
    for (const pid of agentsOn('n3')) process.kill(pid, 'SIGKILL')
    await pause(300)
    rmSync(sending)
  }
  const { code, output } = await user.end(id)
  assert.equal(code, 0, output)
  // Nobody could tidy up there.
  assertBoth(user, output, ['n1', 'n2'], 1)
  assert.match(output, /^ {7}n3: its process ended: .*Killed$/m)
  assert.deepEqual(await user.disks(), EMPTY)
})

test('if only a part of the archive arrives, no node takes it for the whole; a node that could not take it is left out, and the others get it again', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  user.enlarge(2)
  const part = 'head -c 1000000 "$3" > ~/part; chmod 600 ~/part; "$REAL" "$1" "$2" ~/part "$4"'
  const cut = sbcast(user, `${part}; exit 0`)
  const lost = await user.job(`${cut}\nexport CONDA_STAGE_PATH=$DISK\nconda-stage --nodes=all || echo "status $?"`)
  assert.match(lost.output, /^status 1$/m)
  for (const node of NODES) assert.match(lost.output, new RegExp(`^ {7}${node}: .* is damaged: `, 'm'), lost.output)
  assert.deepEqual(await user.disks(), EMPTY)
  const error = 'echo "sbcast: error: REQUEST_FILE_BCAST(n2): No space left on device" >&2; exit 1'
  const full = sbcast(user, `[ ! -e ~/sent ] || exec "$REAL" "$@"; touch ~/sent; ${part}; ${error}`)
  const { code, output } = await user.job(`${full}
export CONDA_STAGE_PATH=$DISK
conda-stage --nodes=all || { echo "status $?, active $CONDA_PREFIX"; rm ~/sent; }
${BOTH.slice(BOTH.indexOf('srun'))}`)
  assert.equal(code, 0, output)
  assertBoth(user, output, ['n1', 'n3'])
  assert.match(output, /^ {7}n2: the archive could not be sent to it: .*No space left on device$/m)
  assert.deepEqual(await user.disks(), EMPTY)
})

test('Ctrl-C while the archive is on its way leaves nothing on any node, and the original active', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  const path = sbcast(user, 'touch ~/sending; exec sleep 60')
  const call = 'conda-stage --nodes=all --path="$DISK" || echo "status $?, active $CONDA_PREFIX"'
  const id = await user.begin(`${path}\n${call}`)
  await until('the archive is sent', () => existsSync(`${user.place.env.HOME}/sending`))
  for (const pid of headOf(id)) process.kill(pid, 'SIGINT')
  const { output } = await user.end(id)
  assert.match(output, new RegExp(`^status 130, active ${user.place.prefix}$`, 'm'))
  assert.match(output, /^WARNING: Stopped by SIGINT: /m)
  assert.deepEqual(await user.disks(), EMPTY)
})
