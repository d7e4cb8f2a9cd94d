import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { barLine } from '../../src/cli/render/bar.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { copiedWorld, LAUNCHER, type RunOptions, startCommand, succeed, type World } from './world.ts'

const ESCAPE = '\u001b'
const COLOURED = `${ESCAPE}[36mINFO:${ESCAPE}[0m `

/** Runs the program on a terminal of its own, 120 columns wide. `stdout` holds everything that was ever shown there. */
const onTerminal = (...call: Parameters<typeof startOnTerminal>) => startOnTerminal(...call).ended

function startOnTerminal(place: World, args: string[], { inside = [], ...options }: RunOptions = {}, redirected = '') {
  const words = [...inside, LAUNCHER, ...args].map((word) => `'${word}'`).join(' ')
  const command = ['script', '-qefc', `stty cols 120; exec ${words} ${redirected}`, '/dev/null']
  return startCommand(place, command, { ...options, env: { TERM: 'xterm', ...options.env } })
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

test('nothing of the bar is left on a terminal, even if lines were typed while it moved', async (context) => {
  const place = await copiedWorld(context)
  const { stdout } = await onTerminal(place, pack(place))
  // Where the bar began is restored; what was drawn after each line that was typed is below.
  const ends = stdout.split(`${ESCAPE}8`).slice(1)
  assert.ok(ends.length > 0, JSON.stringify(stdout))
  for (const end of ends) assert.match(end.replaceAll(ESCAPE, 'ESC'), /^(?:ESC\[\d*[GK])+ESC\[J/)
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

test('a person who stages an environment by name learns that the copy is not active, and how to remove it', async (context) => {
  const place = await copiedWorld(context)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  const { stdout } = await onTerminal(place, args, { env: { NO_COLOR: '1' } })
  const [staged = ''] = stdout.split('\r\n').filter((line) => line.startsWith(place.local))
  assert.match(
    stdout,
    new RegExp(`INFO: Not activated\\. To remove the copy: conda-stage --unstage --prefix=${staged}\r\n`),
  )
  assert.doesNotMatch((await succeed(place, args)).stderr, /Not activated/)
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
  // Packed last, behind enough data for the bar to be shown by then.
  writeFileSync(`${place.prefix}/share/noise`, randomFillSync(Buffer.alloc(60_000_000)))
  writeFileSync(`${place.prefix}/zzz.txt`, '', { mode: 0 })
  const { status, stdout } = await onTerminal(place, pack(place), { inside: UNPRIVILEGED })
  assert.equal(status, 1, JSON.stringify(stdout))
  assert.match(stdout, /\d+\/\d+ files/)
  assert.match(stdout, /ERROR:.* .*zzz\.txt can't be read/)
  assert.ok(stdout.lastIndexOf(`${ESCAPE}[?25h`) >= stdout.lastIndexOf(`${ESCAPE}[?25l`), JSON.stringify(stdout))
})

test('a terminal shows that the program works when nothing else has been shown for a second, and log files do not', async (context) => {
  const place = await copiedWorld(context)
  // As if another program were packing.
  mkdirSync(`${dirname(place.prefix)}/.myjupyter.tar.zst.lock`)
  const shown = async (TERM: string) => {
    const inside = ['timeout', '--foreground', '-s', 'TERM', '5']
    return (await onTerminal(place, pack(place), { inside, env: { TERM, NO_COLOR: '1' } })).stdout
  }
  const clock = new RegExp(`: waiting\\r\\n(\\r${ESCAPE}\\[K... \\ds)+\\r${ESCAPE}\\[KWARNING: Stopped`)
  assert.match(await shown('xterm'), clock)
  assert.match(await shown('dumb'), /: waiting\r\nWARNING: Stopped/)
})

test('a terminal shows the progress of extraction, removal and verification', async (context) => {
  const place = await copiedWorld(context)
  mkdirSync(`${place.prefix}/share/many`)
  for (let n = 0; n < 12_000; n++) {
    if (n % 40 === 0) mkdirSync(`${place.prefix}/share/many/${n / 40}`)
    writeFileSync(`${place.prefix}/share/many/${Math.floor(n / 40)}/${n}`, 'x'.repeat(n % 1000))
  }
  await succeed(place, pack(place))
  const BAR = /\[[# ]{40}\] \| \d+% Completed \| +[\d.]+s \| (\d+)\/\d+ files/
  const staged = await onTerminal(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  assert.match(staged.stdout, BAR)
  const [copy = ''] = /^\/\S+conda-stage_\w+\/myjupyter(?=\r$)/m.exec(staged.stdout) ?? []
  for (const action of ['--verify', '--unstage']) {
    const { stdout } = await onTerminal(place, [action, `--prefix=${copy}`])
    assert.match(stdout, BAR, action)
  }
})

test('the bar tells the time left once it can be estimated', () => {
  const at = (bytes: number, seconds: number, totalBytes = 100e6) =>
    barLine({ kind: 'progress', phase: 'extract', files: 5, totalFiles: 10, bytes, totalBytes }, seconds)
  assert.match(at(25e6, 4), /^\[#{10} {30}\] \| 25% Completed \| {2}4\.0s \| 5\/10 files \| 25\/100 MB \| 12s left$/)
  assert.match(at(25e6, 0.5), /25\/100 MB$/)
  assert.match(at(0, 3, 0), /^\[#{20} {20}\] \| 50% Completed \| {2}3\.0s \| 5\/10 files \| 3s left$/)
  assert.match(at(100e6, 3), /100\/100 MB$/)
})

test('headings are bold on a terminal, and plain in files and with NO_COLOR', async (context) => {
  const place = await copiedWorld(context)
  for (const [action, heading] of [
    ['--help', 'Options:'],
    ['--status', 'shell function:'],
  ] as const) {
    assert.ok((await onTerminal(place, [action])).stdout.includes(`${ESCAPE}[1m${heading}${ESCAPE}[0m`), action)
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const { stdout } = await onTerminal(place, [action], { env })
      assert.ok(stdout.includes(heading) && !stdout.includes(ESCAPE), action)
    }
    assert.ok(!(await succeed(place, [action])).stdout.includes(ESCAPE), action)
  }
})
