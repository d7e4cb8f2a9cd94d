/** The recipe of docs/recipes.md for tools that start many short programs. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startCommand } from '../cli/world.ts'
import { startSlurm } from '../jobs/slurm.ts'
import { copiesIn, type Wrapped, wrapped } from './world.ts'

const NUMBERS = ['1', '2', '3', '4', '5', '6', '7', '8']

/** Each of them has written what `tell NUMBER` printed into a file of its own. */
function allRanFromOneCopy(world: Wrapped): void {
  const [copy] = copiesIn(world)
  assert.deepEqual(copiesIn(world), [copy])
  const program = join(world.local, copy!, 'myjupyter/bin/tell')
  for (const number of NUMBERS)
    assert.equal(readFileSync(join(world.root, `${number}.said`), 'utf8'), `${program}\n${number}\n`)
}

/** `line`: what is to be run, where the number stands for `{}`. */
async function startedBy(context: TestContext, command: (line: string) => [string, ...string[]]): Promise<void> {
  const world = await wrapped(context)
  writeFileSync(join(world.root, 'numbers'), NUMBERS.join('\n'))
  writeFileSync(join(world.root, 'makefile'), `all: ${NUMBERS.join(' ')}\n%:\n\t@$(RUN)\n`)
  const line = `'${world.wrapper}' {} > {}.said`
  const { ended } = startCommand(world, command(line), { cwd: world.root, env: world.env })
  const { status, stderr } = await ended
  assert.equal(status, 0, stderr)
  allRanFromOneCopy(world)
}

test('programs that xargs starts by a wrapper, eight at a time, run from one copy', (context) =>
  startedBy(context, (line) => ['xargs', '-a', 'numbers', '-P8', '-I{}', 'sh', '-c', line]))

test('programs that GNU parallel starts by a wrapper run from one copy', (context) =>
  startedBy(context, (line) => ['parallel', '-j8', '-I{}', line, ':::', ...NUMBERS]))

test('programs that make starts by a wrapper run from one copy', (context) =>
  startedBy(context, (line) => ['make', '-s', '-j8', `RUN=${line.replaceAll('{}', '$@')}`]))

test('the tasks of a job array, which sbatch --wrap starts by a wrapper, run from one copy', async (context) => {
  const world = await wrapped(context)
  const slurm = await startSlurm()
  try {
    const wrap = `'${world.wrapper}' $SLURM_ARRAY_TASK_ID`
    const options = ['--array=1-8', `--output=${world.root}/%a.said`, '--error=/dev/null', `--wrap=${wrap}`]
    const env = Object.fromEntries(Object.entries(world.env).map(([name, value]) => [name, `${value}`]))
    assert.equal(await slurm.submit({ script: '', options, env }), 0)
  } finally {
    await slurm.stop()
  }
  allRanFromOneCopy(world)
})
