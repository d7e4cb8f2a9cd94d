import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { copiedWorld, fails, type RunOptions, run, stageOf, succeed } from '../cli/world.ts'

/** Runs the program under these limits, in the words of bash's ulimit. */
const under = (...limits: string[]): RunOptions => ({
  inside: ['bash', '-c', `${limits.map((limit) => `ulimit ${limit} &&`).join(' ')} exec "$@"`, 'bash'],
})

const ENOUGH: [string, RunOptions][] = [
  ['2 GiB of address space (ulimit -v)', under('-v 2097152')],
  ['4 GiB of address space and stacks of 1 GiB', under('-v 4194304', '-s 1048576')],
  ['1.5 GB of data (ulimit -d)', under('-d 1500000')],
  ['64 open files (ulimit -n)', under('-n 64')],
  ['stacks of 512 KiB (ulimit -s)', under('-s 512')],
  ['unlimited stacks', under('-s unlimited')],
  ['100 MB of memory by ulimit -m, which Linux ignores', under('-m 100000')],
]

for (const [limit, options] of ENOUGH) {
  test(`an environment is packed, staged, verified and unstaged under ${limit}`, async (context) => {
    const world = await copiedWorld(context)
    for (const args of [[], ['--threads=16']]) {
      const prefix = await stageOf(world, args, options)
      await succeed(world, ['--verify', `--prefix=${prefix}`], options)
      await succeed(world, ['--unstage', `--prefix=${prefix}`], options)
      assert.deepEqual(readdirSync(world.local), [])
    }
  })
}

test('a stage that does not fit into the limits fails without a trace, and names the limit', async (context) => {
  const world = await copiedWorld(context)
  // So small an environment is packed without threads.
  await succeed(world, ['--pack', `--prefix=${world.prefix}`])
  const hint = '2048 MB of address space and 64 open files'
  const cases = [
    { says: /1757 MB of address space \(ulimit -v, in Grid Engine h_vmem\)$/, options: under('-v 1800000') },
    { says: /976 MB \(ulimit -d\)$/, options: under('-d 1000000') },
    { says: /40 open files \(ulimit -n\)$/, options: under('-n 40') },
  ]
  for (const { says, options } of cases)
    await fails(world, [`--prefix=${world.prefix}`], { code: 'LIMIT_TOO_LOW', says, hint }, options)
})

test('a file larger than a limit of file sizes allows is an error that names the limit and leaves no trace', async (context) => {
  const world = await copiedWorld(context)
  const says = /larger than the limit of file sizes allows \(ulimit -f\)$/
  const error = { code: 'LIMIT_TOO_LOW' as const, says, hint: 'Raise the limit' }
  writeFileSync(`${world.prefix}/lib/large`, randomBytes(3_000_000))
  await fails(world, ['--pack', `--prefix=${world.prefix}`], error, under('-f 1000'))
  await succeed(world, ['--pack', `--prefix=${world.prefix}`])
  await fails(world, [`--prefix=${world.prefix}`], error, under('-f 1000'))
  assert.deepEqual(readdirSync(world.local), [])
})

test('an archive larger than a limit of file sizes allows costs the archive, not the copy', async (context) => {
  const world = await copiedWorld(context)
  for (let n = 0; n < 4; n++) writeFileSync(`${world.prefix}/lib/noise-${n}`, randomBytes(300_000))
  const args = [`--prefix=${world.prefix}`, `--path=${world.local}`]
  const { stdout, stderr } = await succeed(world, args, under('-f 500'))
  assert.match(
    stderr,
    /WARNING: The archive .* would be larger than the limit of file sizes allows \(ulimit -f\)\. Staging/,
  )
  await succeed(world, ['--verify', `--prefix=${stdout.trimEnd()}`])
  assert.deepEqual(readdirSync(dirname(world.prefix)), [world.name])
})

test('a copy can be left under limits in which no other could be made', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageOf(world)
  await succeed(world, ['--unstage', `--prefix=${prefix}`], under('-v 1400000', '-n 40'))
  assert.ok(!existsSync(prefix))
})

test('limits in which Node can not start end with an error that names the limit', async (context) => {
  const world = await copiedWorld(context)
  for (const [limit, name] of [
    ['-v 1000000', 'memory is 976 MB, .* 1300 MB to start .* \\(ulimit -v, in Grid Engine h_vmem\\)'],
    ['-d 500000', 'memory is 488 MB, .* 700 MB to start .* \\(ulimit -d\\)'],
    ['-n 20', 'open files is 20, .* 32 to start .* \\(ulimit -n\\)'],
    ['-u 8', 'processes is 8, .* 12 to start .* \\(ulimit -u\\)'],
  ] as const) {
    const { status, stdout, stderr } = await run(world, ['--version'], under(limit))
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^ERROR: conda-stage can't start: the limit of ${name}\\.\n.*unchanged\\.\n$`))
  }
})
