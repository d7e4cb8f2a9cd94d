import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { copiedWorld, LAUNCHER, startCommand } from '../cli/world.ts'
import { startSshNodes } from './ssh-nodes.ts'

const options = { skip: process.getuid!() !== 0 && 'nodes of their own take root' }

/**
 * As PBS's own: a process for each line of the node file, no standard input, and what is printed goes into the job's output.
 * (https://github.com/openpbs/openpbs, src/cmds/pbsdsh.c)
 */
const PBSDSH = `#!/bin/sh
[ "$1" = -- ] || exit 2
shift
while read -r node; do ssh $node "$@" </dev/null >>$OUTPUT 2>&1 & done <$PBS_NODEFILE
wait
`

test(
  'in a PBS job each node makes one copy, however many processes pbsdsh starts there, and other nodes of the job are left alone',
  options,
  async (context) => {
    const place = await copiedWorld(context)
    const { env, on } = await startSshNodes(context, place, ['50m', '50m', '50m'], place.prefix)
    writeFileSync(`${place.root}/ssh/bin/pbsdsh`, PBSDSH)
    chmodSync(`${place.root}/ssh/bin/pbsdsh`, 0o755)
    writeFileSync(`${place.root}/nodefile`, 'n1\nn1\nn1\nn2\nn2\nn3\n')
    const script = `eval "$('${LAUNCHER}' --source=bash)"
    export CONDA_PREFIX='${place.prefix}' PATH='${place.prefix}/bin':$PATH CONDA_STAGE_PATH='${place.local}' CONDA_STAGE_SKIP_LOCAL=false
    conda-stage --nodes=n1,n2 || exit
    for node in n1 n2 n3; do ssh $node "ls -d ${place.local}/conda-stage_*; ls ${place.local}/conda-stage_*/.leases | wc -l"; done
    conda-stage --unstage`
    const variables = {
      ...env,
      PBS_JOBID: '7.server',
      PBS_NODEFILE: `${place.root}/nodefile`,
      OUTPUT: `${place.root}/out`,
    }
    const { status, stdout, stderr } = await startCommand(place, ['bash', '-c', script], { env: variables }).ended
    assert.equal(status, 0, stderr)
    const [copy, leases, ...others] = stdout.trim().split('\n')
    assert.ok(copy!.startsWith(`${place.local}/conda-stage_`), stdout)
    assert.deepEqual([leases, ...others], ['1', copy, '1', '0'])
    for (const node of ['n1', 'n2', 'n3']) assert.equal(on(node, `ls -A ${place.local}`), '')
    assert.ok(existsSync(`${place.root}/out`))
    assert.equal(readFileSync(`${place.root}/out`, 'utf8'), '', "the job's own output is left alone")
    assert.deepEqual(readdirSync(`${place.root}/cache/conda-stage`), [])
  },
)
