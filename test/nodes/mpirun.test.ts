import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { LAUNCHER, startCommand, world } from '../cli/world.ts'
import { startSshNodes } from './ssh-nodes.ts'

const options = { skip: process.getuid!() !== 0 && 'nodes of their own take root' }
const AS_ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }

test(
  'mpirun of Open MPI and of MPICH puts the copy on every node or says which node is full, and --unstage removes it everywhere',
  options,
  async (context) => {
    const place = await world(context)
    writeFileSync(`${place.prefix}/share/noise`, randomBytes(12_000_000))
    const { env, on } = await startSshNodes(context, place, ['100m', '100m', '10m'], place.prefix)
    for (const program of ['mpirun.openmpi', 'mpirun.mpich']) {
      const bin = `${place.root}/${program}`
      mkdirSync(bin)
      // MPICH looks for its other programs beside itself.
      writeFileSync(`${bin}/mpirun`, `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 })
      const script = `eval "$('${LAUNCHER}' --source=bash)"
      export CONDA_PREFIX='${place.prefix}' PATH='${place.prefix}/bin':$PATH CONDA_STAGE_PATH='${place.local}'
      conda-stage --nodes='n[1-2],n3' --launcher=mpirun && exit 9
      echo $CONDA_PREFIX
      conda-stage --nodes='n[1-2]' --launcher=mpirun || exit
      for node in n1 n2; do ssh $node $CONDA_PREFIX/bin/greet --prefix; done
      conda-stage --unstage`
      const variables = { ...env, ...AS_ROOT, PATH: `${bin}:${env.PATH}` }
      const { status, stdout, stderr } = await startCommand(place, ['bash', '-c', script], { env: variables }).ended
      assert.equal(status, 0, stderr)
      assert.match(stderr, /1 of 3 nodes can't have the copy:\n.*n3: .* has too little room/)
      const [original, copy, again, ...others] = stdout.trim().split('\n')
      assert.equal(original, place.prefix)
      assert.ok(copy!.startsWith(`${place.local}/conda-stage_`), stdout)
      assert.deepEqual([again, ...others], [copy])
      for (const node of ['n1', 'n2', 'n3']) assert.doesNotMatch(on(node, `ls -A ${place.local}`), /conda-stage/)
      assert.deepEqual(readdirSync(place.local), [])
      assert.deepEqual(readdirSync(`${place.root}/cache/conda-stage`), [], 'what was said is removed')
    }
  },
)
