import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { copiedWorld, LAUNCHER, type RunOptions, startCommand, succeed, type World } from './world.ts'

const ESCAPE = '\u001b'
const COLOURED = `${ESCAPE}[36mINFO:${ESCAPE}[0m `

/** Runs the program on a terminal of its own, 120 columns wide. `stdout` holds everything that was ever shown there. */
function onTerminal(place: World, args: string[], { inside = [], ...options }: RunOptions = {}, redirected = '') {
  const words = [...inside, LAUNCHER, ...args].map((word) => `'${word}'`).join(' ')
  const command = ['script', '-qefc', `stty cols 120; exec ${words} ${redirected}`, '/dev/null']
  return startCommand(place, command, { ...options, env: { TERM: 'xterm', ...options.env } }).ended
}

const pack = ({ prefix }: World) => ['--pack', '--force', `--prefix=${prefix}`]

test('a terminal shows a moving bar with files and MB, and its last state stays as a line', async (context) => {
  const place = await copiedWorld(context)
  const { status, stdout } = await onTerminal(place, pack(place))
  assert.equal(status, 0, stdout)
  assert.match(stdout, /\[[# ]{40}\] \| \d+% Completed \| +[\d.]+s \| \d+\/\d+ files \| \d+\/\d+ MB/)
  const lines = stdout.split('\r\n')
  const last = lines.findIndex((line) => /\[#{40}\] \| 100% Completed \| +[\d.]+s \| \d+ files \| \d+ MB$/.test(line))
  assert.ok(last > 0, stdout)
  assert.ok(lines[last + 1]!.startsWith(`${COLOURED}Total packaging time: `))
})

test('a terminal shows coloured levels, and has its cursor back at the end', async (context) => {
  const place = await copiedWorld(context)
  const { stdout } = await onTerminal(place, pack(place))
  assert.ok(stdout.startsWith(`${COLOURED}Packaging conda environment ...`), JSON.stringify(stdout))
  assert.ok(stdout.lastIndexOf(`${ESCAPE}[?25h`) > stdout.lastIndexOf(`${ESCAPE}[?25l`), JSON.stringify(stdout))
})

test('NO_COLOR removes the colours and keeps the bar', async (context) => {
  const place = await copiedWorld(context)
  const { stdout } = await onTerminal(place, pack(place), { env: { NO_COLOR: '1' } })
  assert.ok(stdout.startsWith('INFO: Packaging'))
  assert.ok(!stdout.includes(`${ESCAPE}[36m`))
  assert.match(stdout, /files \| \d+\/\d+ MB/)
})

test('log files and dumb terminals get one line instead of a moving bar', async (context) => {
  const place = await copiedWorld(context)
  const dumb = await onTerminal(place, pack(place), { env: { TERM: 'dumb', NO_COLOR: '1' } })
  await onTerminal(place, pack(place), {}, `2> ${place.root}/log`)
  const piped = await succeed(place, pack(place))
  for (const text of [dumb.stdout, readFileSync(`${place.root}/log`, 'utf8'), piped.stderr]) {
    assert.ok(!text.includes(ESCAPE), JSON.stringify(text))
    assert.equal(text.split('Completed').length, 2)
  }
})

test('--quiet shows nothing on a terminal', async (context) => {
  const place = await copiedWorld(context)
  assert.equal((await onTerminal(place, [...pack(place), '--quiet'])).stdout, '')
})

test('data on standard output is never coloured or mixed with the bar', async (context) => {
  const place = await copiedWorld(context)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  await onTerminal(place, args, {}, `> ${place.root}/data`)
  assert.match(readFileSync(`${place.root}/data`, 'utf8'), new RegExp(`^${place.local}/conda-stage_\\w+/myjupyter\n$`))
})

test('after a failure in the middle of packing the bar is gone, the cursor is back and the program ends', async (context) => {
  const place = await copiedWorld(context)
  // This file is packed late, when the bar is shown.
  chmodSync(`${place.prefix}/share/greet/greeting.txt`, 0)
  const { status, stdout } = await onTerminal(place, pack(place), { inside: UNPRIVILEGED })
  assert.equal(status, 1, JSON.stringify(stdout))
  assert.match(stdout, /\d+\/\d+ files/)
  assert.match(stdout, /ERROR:.* .*greeting\.txt can't be read/)
  assert.ok(stdout.lastIndexOf(`${ESCAPE}[?25h`) >= stdout.lastIndexOf(`${ESCAPE}[?25l`), JSON.stringify(stdout))
})
