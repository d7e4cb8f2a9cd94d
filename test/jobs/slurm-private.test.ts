/** Folders that Slurm makes for one job: a /tmp of its own, and SLURM_TMPDIR. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type Slurm, startSlurm } from './slurm.ts'
import { asUser } from './user.ts'

const canMount = process.getuid!() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0

let slurm: Slurm
let root: string
before(async () => {
  if (!canMount) return
  // Jobs do not see what is in the node's /tmp.
  root = mkdtempSync('/var/tmp/slurm-')
  process.env.TMPDIR = root
  slurm = await startSlurm({ privateTmp: true })
})
after(async () => {
  if (!canMount) return
  await slurm.stop()
  rmdirSync(root)
})

test(
  'two steps of a Slurm job share the copy in its private /tmp or SLURM_TMPDIR, two jobs do not, and --verbose says so',
  {
    skip: canMount ? false : 'needs root, to give each job a /tmp of its own',
  },
  (context) =>
    asUser(context, async ({ root, env }) => {
      const script = `#!/bin/bash -l
set -euo pipefail
together() {
  touch ~/$1-$SLURM_ARRAY_TASK_ID
  until [[ -e ~/$1-1 && -e ~/$1-2 ]]; do sleep 0.1; done
}
conda activate myjupyter
for options in --path=/tmp ''; do
  conda-stage --verbose $options
  echo "runs from $(greet --prefix)"
  together "staged\${options:+-tmp}"
  srun --overlap bash -l -c "conda activate myjupyter; conda-stage --verbose $options; greet --prefix | sed 's/^/step runs from /'"
  together "ran\${options:+-tmp}"
  conda-stage --unstage
done
if ls -A /tmp "$SLURM_TMPDIR" | grep conda-stage_; then exit 9; fi
echo "job $SLURM_JOB_ID"
`
      const array = await slurm.begin({ script, options: ['--array=1-2', `--output=${root}/out/%a`], env })
      const ends = await slurm.endOf(array)
      const outputs = readdirSync(`${root}/out`).map((name) => readFileSync(`${root}/out/${name}`, 'utf8'))
      assert.deepEqual(
        ends.map(({ state }) => state),
        ['COMPLETED', 'COMPLETED'],
        outputs.join('\n'),
      )
      for (const output of outputs) {
        const job = /^job (\d+)$/m.exec(output)?.[1]
        const own = [...output.matchAll(/^runs from (.*)$/gm)].map(([, prefix]) => prefix)
        const inSteps = [...output.matchAll(/^step runs from (.*)$/gm)].map(([, prefix]) => prefix)
        assert.deepEqual(inSteps, own, output)
        for (const [at, folder] of ['/tmp', `${slurm.jobFolders}/${job}`].entries()) {
          assert.ok(own[at]!.startsWith(`${folder}/conda-stage_`), output)
          const says = `${folder} belongs to job ${job}: only this job shares the copy`
          assert.equal(output.split(says).length, 3, output)
        }
        assert.equal(output.match(/Using the copy that is already staged/g)?.length, 2, output)
      }
    }),
)

test(
  "the archive that --nodes sends arrives in the job's own /tmp, and neither it nor the copy is left on the node",
  {
    skip: canMount ? false : 'needs root, to give each job a /tmp of its own',
  },
  (context) =>
    asUser(context, async ({ root, env }) => {
      const script = `#!/bin/bash -l
set -euo pipefail
conda activate myjupyter
conda-stage --nodes=all --path=/tmp
srun --quiet sh -c 'echo "$SLURMD_NODENAME runs from $(greet --prefix); /tmp has $(ls -A /tmp | grep -c conda-stage_)"'
kill -KILL $$
`
      const copies = () =>
        [...readdirSync('/tmp'), ...readdirSync(slurm.jobFolders)].filter((name) => name.startsWith('conda-stage_'))
      const before = copies()
      const code = await slurm.submit({ script, options: [`--output=${root}/out/job`], env })
      const output = readFileSync(`${root}/out/job`, 'utf8')
      assert.equal(code, 137, output)
      assert.match(output, /^INFO: Sending .* to 1 node /m)
      assert.match(output, /^node runs from \/tmp\/conda-stage_\w+\/myjupyter; \/tmp has 1$/m)
      assert.deepEqual(
        copies().filter((name) => !before.includes(name)),
        [],
      )
    }),
)
