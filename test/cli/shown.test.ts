import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { shellWord } from '../../src/cli/render/shell-word.ts'
import { jsonText, shown } from '../../src/cli/render/shown.ts'
import { fsPath } from '../../src/model/byte-path.ts'
import { copiedWorld, type Ended, type RunOptions, run, type World } from './world.ts'

/** Control characters of both kinds, line separators, marks and overrides of direction. */
const OBEYED = [
  [0, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2066, 0x2069],
] as const

const isObeyed = (character: string): boolean =>
  OBEYED.some(([from, to]) => character.charCodeAt(0) >= from && character.charCodeAt(0) <= to)

const assertShown = (line: string, what = ''): void => {
  const obeyed = [...line].find(isObeyed)
  assert.equal(obeyed, undefined, `${what}: ${JSON.stringify(line)}`)
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('a', '\x1b[2J', '\n', '\r', '\x07', '\x9b31m', '\u202e', '\u2028', '\x7f', 'é', '🐍', '\\'))
    .map((parts) => parts.join('')),
)

test('no text makes a terminal do anything but show it, and an ordinary one is shown as it is', () => {
  fc.assert(
    fc.property(text, (any) => {
      assertShown(shown(any))
      if (![...any].some(isObeyed) && any.isWellFormed()) assert.equal(shown(any), any)
    }),
    { numRuns: 3000 },
  )
  assert.equal(shown('a\x1b[31m\n\x9b\u202eb'), 'a\\x1b[31m\\n\\u009b\\u202eb')
})

test('JSON has every value as it was, and nothing that a terminal obeys', () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.jsonValue()), (any) => {
      const json = jsonText(any)
      assertShown(json)
      assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(any)))
    }),
    { numRuns: 3000 },
  )
})

test('a path in a command that a message recommends is that path when it is pasted into bash', () => {
  const paths = text.filter((any) => any !== '' && !any.includes('\0') && any.isWellFormed())
  fc.assert(
    fc.property(fc.array(paths, { minLength: 10, maxLength: 20 }), (all) => {
      const words = all.map(shellWord)
      for (const word of words) assertShown(word)
      const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }
      const printed = execFileSync('bash', ['--norc', '-c', `printf '%s\\0' ${words.join(' ')}`], {
        env,
        encoding: 'utf8',
      })
      assert.deepEqual(printed.split('\0').slice(0, -1), all)
    }),
    { numRuns: 20 },
  )
})

const EVIL = 'e\x1b[31m\x07\x9b\u202e\r\nERROR forged'

/** Runs the program, and fails if anything that it wrote would be obeyed. */
async function runShown(place: World, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const ended = await run(place, args, options)
  const isPath =
    args.some((arg) => arg.startsWith('--prefix')) && !args.includes('--json') && !args.includes('--verify')
  for (const output of [ended.stderr, ...(isPath ? [] : [ended.stdout])])
    for (const line of output.split('\n')) {
      assertShown(line, args.join(' '))
      assert.doesNotMatch(line, /^ERROR forged/)
    }
  return ended
}

test('whatever the names of environment, files, packages, links and settings are, no output makes the terminal obey them', async (context) => {
  const place = await copiedWorld(context)
  const prefix = `${place.prefix}${EVIL}`
  renameSync(place.prefix, prefix)
  const site = `${prefix}/lib/python3.12/site-packages`
  mkdirSync(`${site}/${EVIL}`, { recursive: true })
  writeFileSync(`${site}/${EVIL}.pth`, `/outside/${EVIL.slice(0, 5)}\n`)
  writeFileSync(fsPath(prefix, `bin/${EVIL.slice(0, 5)}\xff`), 'x')
  writeFileSync(`${prefix}/conda-meta/${EVIL}-1-0.json`, `{"files":["gone-${JSON.stringify(EVIL).slice(1, -1)}",7]}`)
  writeFileSync(`${prefix}/conda-meta/broken${EVIL}-1-0.json`, '{')
  execFileSync('mkfifo', [`${prefix}/share/${EVIL}`])
  symlinkSync(`/outside/${EVIL}`, `${prefix}/share/link${EVIL}`)
  const local = `${place.root}/l${EVIL}`
  const env = {
    CONDA_PREFIX: prefix,
    CONDA_DEFAULT_ENV: EVIL,
    CONDA_EXE: `/nowhere/${EVIL}/bin/conda`,
    CONDA_STAGE_PATH: local,
  }
  const with_ = (args: readonly string[]) => runShown(place, args, { env })
  const sees = async (args: readonly string[], says: RegExp, status = 0) => {
    const ended = await with_(args)
    assert.equal(ended.status, status, `${args.join(' ')}: ${ended.stderr}`)
    assert.match(ended.stdout + ended.stderr, says)
    return ended
  }
  const named = /e\\x1b\[31m\\x07\\u009b\\u202e\\r\\nERROR forged/
  await sees(['--stage', '--dry-run'], named)
  await sees(['--pack', '--debug'], new RegExp(`WARNING: .*${named.source}`))
  writeFileSync(`${prefix}/bin/new${EVIL}`, '')
  await sees(['--pack', '--verbose'], new RegExp(`out of date: bin/new${named.source} was added`))
  const staged = (await sees([`--prefix=${prefix}`, '--debug', '--private'], named)).stdout
  assert.ok(staged.startsWith(`${local}/conda-stage_`) && staged.endsWith(`${EVIL}\n`), 'the path itself is data')
  for (const args of [['--status'], ['--list'], ['--clean', '--dry-run', '--all'], ['--version', '--full']]) {
    await sees(args, named)
    JSON.parse((await sees([...args, '--json'], /forged/)).stdout)
  }
  writeFileSync(`${local}/x`, '')
  const copy = `--prefix=${staged.slice(0, -1)}`
  await sees(['--verify', copy, '--verbose'], named)
  JSON.parse((await sees(['--verify', copy, '--json'], /forged/)).stdout)
  await sees(['--unstage', copy, '--verbose'], named)
  await sees([`--${EVIL}`], named, 2)
  await sees([EVIL], named, 2)
  await sees(['--name', EVIL], named, 1)
  await sees([`--prefix=${EVIL}`, '--debug'], named, 1)
  await sees([`--path=/nowhere/${EVIL}`, `--prefix=${prefix}`], named, 1)
  await sees(['--pack', `--output=/nowhere/${EVIL}`], named, 1)
  mkdirSync(`${place.env.HOME}/.config/conda-stage`, { recursive: true })
  const folders = JSON.stringify([`/l/${EVIL}`])
    .replace('\x9b', '\\u009b')
    .replace('\u202e', '\\u202e')
  writeFileSync(`${place.env.HOME}/.config/conda-stage/config.yaml`, `local-folders: ${folders}\n`)
  await sees(['--status'], new RegExp(`local-folders +/l/${named.source}`))
  writeFileSync(
    `${place.env.HOME}/.config/conda-stage/config.yaml`,
    `${JSON.stringify(EVIL).replace('\x9b', '').replace('\u202e', '')}: 1\nthreads: []\n`,
  )
  await sees(['--pack'], /line 1: e\\x1b.*forged/, 2)
  rmSync(local, { recursive: true })
})
