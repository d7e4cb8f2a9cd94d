import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodesOfList } from '../../src/nodes/node-list.ts'
import { nodesFor } from '../../src/nodes/nodes-of-job.ts'

test('a list of nodes is short for their names: n[1-3,7], with leading zeros, several brackets and what stands behind', () => {
  const lists: Record<string, string> = {
    n1: 'n1',
    'n1,n2': 'n1 n2',
    ' n1 , n2 ,': 'n1 n2',
    'n[1-3,7]': 'n1 n2 n3 n7',
    'n[08-11]': 'n08 n09 n10 n11',
    'n[98-101]': 'n98 n99 n100 n101',
    'a1,n[1-2],b[3]': 'a1 n1 n2 b3',
    'r[1-2]n[1,3]-ib.site': 'r1n1-ib.site r1n3-ib.site r2n1-ib.site r2n3-ib.site',
    'me@n1,10.0.0.1,fe80::1': 'me@n1 10.0.0.1 fe80::1',
    'n2,n1,n2,n[1-2]': 'n2 n1',
  }
  for (const [list, names] of Object.entries(lists)) assert.equal(nodesOfList(list).join(' '), names, list)
})

test('a list that is no list of nodes is refused with the reason, and so is a name that a launcher would take for an option', () => {
  const wrong: Record<string, RegExp> = {
    ',': /names no node/,
    'n[1-': /no name of a node/,
    'n[3-1]': /goes down/,
    'n[a-b]': /'a-b' is neither a number nor a range/,
    'n[]': /neither/,
    'n1 n2': /'n1 n2' is no name/,
    '-oProxyCommand=x': /no name/,
    'n1;reboot': /no name/,
    'n[1-999999999]': /more than 100000 nodes/,
  }
  for (const [list, message] of Object.entries(wrong))
    assert.throws(() => nodesOfList(list), { code: 'USAGE', message }, list)
})

test('--nodes=all means the nodes of the job, each once, as Slurm, PBS, LSF and Grid Engine tell them', async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'nodes-'))
  context.after(() => rmSync(root, { recursive: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(`${root}/${name}`, text)
    return `${root}/${name}`
  }
  // Slurm's own program writes lists out.
  chmodSync(file('scontrol', '#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n'), 0o755)
  const jobs: [Record<string, string>, string][] = [
    [{ SLURM_JOB_NODELIST: 'n[1-2]', PATH: `${root}:${process.env.PATH}` }, 'n1 n2'],
    [{ PBS_NODEFILE: file('pbs', 'n1.site\nn1.site\nn2.site\n') }, 'n1.site n2.site'],
    [{ LSB_MCPU_HOSTS: 'n1 16 n2 16 ' }, 'n1 n2'],
    [{ LSB_DJOB_HOSTFILE: file('lsf', 'n1\nn1\nn2\nn2\n') }, 'n1 n2'],
    [{ PE_HOSTFILE: file('sge', 'n1 2 all.q@n1 UNDEFINED\nn2 1 all.q@n2 0,0\n') }, 'n1 n2'],
  ]
  for (const [env, names] of jobs) assert.equal((await nodesFor('all', env)).join(' '), names)
  assert.deepEqual(await nodesFor('n[7-8]', jobs[0]![0]), ['n7', 'n8'])
})

test('without a job --nodes=all says to name the nodes; a list of the scheduler that is gone is named', async () => {
  await assert.rejects(nodesFor('all', {}), { code: 'USAGE', hint: /--nodes=n1,n2 --launcher=ssh/ })
  await assert.rejects(nodesFor('all', { PBS_NODEFILE: '/gone/7' }), {
    code: 'NODES_FAILED',
    message: /\/gone\/7 \(PBS_NODEFILE\)/,
  })
  await assert.rejects(nodesFor('all', { SLURM_JOB_NODELIST: 'n1', PATH: '/gone' }), { hint: /scontrol/ })
})
