import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { after, before, test } from 'node:test'
import { type Cluster, EMPTY, NODES, startCluster, User, unavailable } from './cluster.ts'

const skip = unavailable ?? false

let cluster: Cluster
before(async () => {
  if (!skip) cluster = await startCluster()
})
after(async () => {
  if (!skip) await cluster.stop()
})

test('one call puts the environment on every node of a Slurm job: programs import numpy from there, the archive is read once, and no node looks at the original; --unstage cleans all', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context, { specs: ['python', 'numpy'] })
  await user.pack()
  const { prefix, archive } = user.place
  const envs = dirname(prefix)
  // These can't even see the original and its archive.
  for (const node of ['n2', 'n3']) await user.on(node, `mount -t tmpfs none '${envs}'`)
  await cluster.net.reset()
  const { code, output } = await user.job(`
conda-stage --nodes=all --path="$DISK"
echo "nodes $CONDA_STAGE_NODES"
srun --quiet python -c 'import os, numpy; print("task", os.environ["SLURMD_NODENAME"], numpy.__file__)'
conda-stage --list
conda-stage --unstage
echo "active $CONDA_PREFIX, nodes \${CONDA_STAGE_NODES-none}"`)
  const { readBytes } = await cluster.net.counters()
  for (const node of ['n2', 'n3']) await user.on(node, `umount '${envs}'`)
  assert.equal(code, 0, output)
  const copy = /^INFO: Activating staged conda environment: (.*)$/m.exec(output)?.[1] ?? assert.fail(output)
  assert.ok(copy.startsWith(`${cluster.slurm.disk}/conda-stage_`))
  assert.equal(copy.length, Math.max(copy.length, prefix.length))
  for (const node of NODES) assert.match(output, new RegExp(`^task ${node} ${copy}/lib/.*/numpy/`, 'm'))
  assert.match(output, /^INFO: The copy is on 3 nodes: n1,n2,n3\n/m)
  assert.match(output, /^nodes n1,n2,n3$/m)
  assert.match(output, /^ {4}on 3 nodes: n1,n2,n3$/m)
  assert.match(output, new RegExp(`^active ${prefix}, nodes none$`, 'm'))
  const once = statSync(archive).size
  assert.ok(readBytes! >= once && readBytes! < 1.3 * once, `${readBytes} bytes were read; the archive has ${once}`)
  assert.deepEqual(await user.disks(), EMPTY)
})

test('a node that has the copy already gets nothing: not even the archive would fit on its disk', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  user.enlarge(20)
  await user.pack()
  // The lease and the turn have room, the archive has not.
  const { code, output } = await user.job(`
DISK=$DISK/own; srun --quiet mkdir "$DISK"
srun --quiet --nodelist=n2 --nodes=1 --ntasks=1 bash -lc "conda-stage --prefix='${user.place.prefix}' --path='$DISK' --keep=60"
srun --quiet --nodelist=n2 --nodes=1 --ntasks=1 sh -c "head -c 280000000 /dev/zero > '$DISK/rest'"
conda-stage --nodes=all --path="$DISK"
srun --quiet sh -c 'echo "$SLURMD_NODENAME runs from $(greet --prefix)"'
conda-stage --unstage
srun --quiet sh -c "cd '$DISK'; ls -A | grep -c conda-stage_ | sed s/^/\\$SLURMD_NODENAME:/; chmod -R u+w .; rm -r '$DISK'"`)
  assert.equal(code, 0, output)
  const [copy = ''] = output.split('\n').filter((line) => line.startsWith('/'))
  for (const node of NODES) assert.match(output, new RegExp(`^${node} runs from ${copy}$`, 'm'))
  assert.match(output, /^INFO: Sending .* to 2 nodes/m)
  // It was to stand there.
  for (const [node, copies] of Object.entries({ n1: 0, n2: 1, n3: 0 }))
    assert.match(output, new RegExp(`^${node}:${copies}$`, 'm'))
  assert.deepEqual(await user.disks(), EMPTY)
})

test('two jobs that call at the same time on the same nodes share one copy on each, which goes with the last job, whether it unstages or just ends', {
  skip,
}, async (context) => {
  const user = await User.on(cluster, context)
  const script = (last: string) => `
touch ~/begun-$SLURM_JOB_ID
until [[ $(ls ~ | grep -c begun) == 2 ]]; do sleep 0.1; done
conda-stage --nodes=all --path="$DISK"
srun --quiet greet --prefix | sed "s/^/runs from /"
touch ~/ran-$SLURM_JOB_ID
until [[ $(ls ~ | grep -c ran) == 2 ]]; do sleep 0.1; done
${last}`
  const begun = [await user.begin(script('conda-stage --unstage; exit 3')), await user.begin(script('exit 3'))]
  const jobs = [await user.end(begun[0]!), await user.end(begun[1]!)]
  const all = jobs.map(({ output }) => output).join('\n')
  assert.deepEqual(
    jobs.map(({ code }) => code),
    [3, 3],
    all,
  )
  const from = [...all.matchAll(/^runs from (.*)$/gm)].map(([, prefix]) => prefix)
  assert.equal(from.length, 6, all)
  assert.equal(new Set(from).size, 1, all)
  assert.deepEqual(await user.disks(), EMPTY)
})
