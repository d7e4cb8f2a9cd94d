import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Launcher } from '../../src/nodes/launcher.ts'
import { forAnyShell } from '../../src/nodes/launchers/words.ts'
import { launcherFor } from '../../src/nodes/launchers.ts'

const ARGV = ['/opt/conda-stage', '--on-node'] as const

const launcher = (name: string | undefined, env: Record<string, string> = {}): Promise<Launcher> =>
  launcherFor(name, { env, host: 'n1' })

const linesOf = (chosen: Launcher): string[] =>
  chosen.commands(['n1', 'n2'], [...ARGV]).map(({ nodes, argv }) => `${nodes.join('+')}: ${argv.join(' ')}`)

test('the job tells the launcher: srun in Slurm, pbsdsh in PBS, blaunch in LSF, qrsh in Grid Engine', async () => {
  const jobs: [string, Record<string, string>][] = [
    ['srun', { SLURM_JOB_ID: '7' }],
    ['pbsdsh', { PBS_JOBID: '7.server' }],
    ['blaunch', { LSB_JOBID: '7' }],
    ['qrsh', { JOB_ID: '7', SGE_ROOT: '/sge' }],
  ]
  for (const [name, env] of jobs) assert.equal((await launcher(undefined, env)).name, name)
  assert.equal((await launcher('ssh', { SLURM_JOB_ID: '7' })).name, 'ssh', 'the one that is asked for comes first')
  await assert.rejects(launcher(undefined, { JOB_ID: '7' }), { code: 'USAGE', hint: /--launcher=ssh/ })
})

test('each launcher starts one process a node, as its manual says', async () => {
  assert.deepEqual(linesOf(await launcher('blaunch')), [
    'n1: blaunch n1 /opt/conda-stage --on-node',
    'n2: blaunch n2 /opt/conda-stage --on-node',
  ])
  // A job with one slot on the host of its script may start no further task there.
  assert.deepEqual(linesOf(await launcher('qrsh')), [
    'n1: /opt/conda-stage --on-node',
    'n2: qrsh -inherit n2 /opt/conda-stage --on-node',
  ])
  assert.deepEqual(linesOf(await launcher('pbsdsh')), ['n1+n2: pbsdsh -- /opt/conda-stage --on-node'])
  assert.deepEqual(linesOf(await launcher('rsh -l me {node}-ib')), [
    'n1: rsh -l me n1-ib /opt/conda-stage --on-node',
    'n2: rsh -l me n2-ib /opt/conda-stage --on-node',
  ])
  const [first] = linesOf(await launcher('ssh'))
  assert.match(first!, /^n1: ssh -T .*-o BatchMode=yes -o ConnectTimeout=\d+ .* n1 \/opt\/conda-stage --on-node$/)
})

test('mpirun is told in its own way to start one process a node: Open MPI, MPICH, Intel MPI', async (context) => {
  const open = await launcher('mpirun', fakeMpirun(context, 'mpirun (Open MPI) 5.0.3'))
  assert.deepEqual(linesOf(open), ['n1+n2: mpirun -n 2 --map-by ppr:1:node --host n1,n2 /opt/conda-stage --on-node'])
  for (const version of ['HYDRA build details:', 'Intel(R) MPI Library for Linux* OS, Version 2021.14'])
    assert.deepEqual(linesOf(await launcher('mpirun', fakeMpirun(context, version))), [
      'n1+n2: mpirun -n 2 -ppn 1 -hosts n1,n2 /opt/conda-stage --on-node',
    ])
  await assert.rejects(launcher('mpirun', { PATH: '/gone' }), { code: 'NODES_FAILED', message: /no mpirun on PATH/ })
})

test('a launcher that is unknown, or does not say where the name of the node goes, is refused with an example', async () => {
  await assert.rejects(launcher('sshh'), { code: 'USAGE', message: /sshh is unknown/, hint: /srun, pbsdsh/ })
  await assert.rejects(launcher('rsh node'), { code: 'USAGE', hint: /rsh \{node\}/ })
})

test('pbsdsh reaches the nodes of its job only, and others are refused before anything is started', async (context) => {
  const root = folder(context)
  writeFileSync(`${root}/nodes`, 'n1\nn1\nn2\n')
  const pbsdsh = await launcher('pbsdsh', { PBS_NODEFILE: `${root}/nodes` })
  assert.deepEqual(await pbsdsh.nodes('n2'), ['n2'])
  await assert.rejects(pbsdsh.nodes('n[2-3]'), { code: 'USAGE', message: /n3 is not a node of this job/ })
})

test('every login shell starts conda-stage from a folder with any name: sh, bash, zsh, ksh, csh, tcsh, fish and others', (context) => {
  const program = `${folder(context)}/it's $HOME \\n !1 "x" ~{a,b}*?[c]|&;<>()#^%\`é`
  writeFileSync(program, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 })
  const odd = ['-o', "a'b", 'a\\', '\\t', '!!', '~', '=ls', '{x}', '$1', '"', '^a^b', '%1', '#']
  for (const shell of ['sh', 'dash', 'bash', 'zsh', 'ksh93', 'mksh', 'yash', 'bsd-csh', 'tcsh', 'fish'])
    assert.equal(
      execFileSync(shell, ['-c', forAnyShell([program, ...odd])], { encoding: 'utf8' }),
      `${odd.join('\n')}\n`,
      shell,
    )
})

test('a path of conda-stage that a shell on the way might take apart is refused before anything is started', async () => {
  const commands = async (name: string, path: string) => (await launcher(name)).commands(['n2'], [path])
  for (const name of ['blaunch', 'qrsh', 'rsh {node}'])
    await assert.rejects(commands(name, '/opt/my tools/conda-stage'), { code: 'NODES_FAILED', hint: /plain name/ })
  await assert.rejects(commands('ssh', '/opt/a\nb'), { code: 'NODES_FAILED' })
})

function fakeMpirun(context: TestContext, version: string): Record<string, string> {
  const root = folder(context)
  writeFileSync(`${root}/mpirun`, `#!/bin/sh\necho '${version}'\n`)
  chmodSync(`${root}/mpirun`, 0o755)
  return { PATH: `${root}:${process.env.PATH}` }
}

function folder(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'launchers-'))
  context.after(() => rmSync(root, { recursive: true }))
  return root
}
