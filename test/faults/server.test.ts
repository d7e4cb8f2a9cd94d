/** The file server of original and archive fails. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { run, stageOf, succeed } from '../cli/world.ts'
import { Bash, check, pack, type Served, served, stage } from './served.ts'

const skip = slowfsUnavailable() ?? false

const FILE = 'share/greet/greeting.txt'
/** Of each kind of request, something that only the reading of the environment asks for. */
const FAILURES = [
  ['lookup', FILE],
  ['open', FILE],
  ['read', FILE],
  ['opendir', 'lib/pkgconfig'],
  ['readdir', 'lib/pkgconfig'],
  ['lookup', 'conda-meta'],
] as const

const MEANINGS = {
  EIO: 'the disk or its server failed (EIO)',
  ESTALE: 'the file server no longer knows it (ESTALE)',
  ENOTCONN: "the file server can't be reached (ENOTCONN)",
} as const

type Errno = keyof typeof MEANINGS

/** The call fails, names the path and says why; nothing is left. */
async function failsAt(place: Served, errno: Errno, args: string[], [kind, path]: (typeof FAILURES)[number]) {
  const before = place.state()
  await place.server.fail({ kind, name: basename(path) }, constants.errno[errno])
  const { status, stderr, stdout } = await run(place, ['--json', ...args])
  await place.server.release()
  const what = `${args[0]}, ${errno} at ${kind} ${path}: ${stderr}`
  assert.equal(status, 1, what)
  const { code, message } = JSON.parse(stdout).error
  // An open file that the server no longer knows has been removed.
  assert.equal(code, errno === 'ESTALE' && kind === 'read' ? 'CHANGED' : 'UNREADABLE', what)
  assert.ok(message.includes(`${place.prefix}/${path}`), what)
  assert.ok(message.includes(MEANINGS[errno]), what)
  assert.deepEqual(place.state(), before, what)
}

for (const errno of Object.keys(MEANINGS) as Errno[])
  test(`whatever of the original fails with ${errno}, the message names the path and what the server said, nothing is left, and the next call works`, {
    skip,
  }, async (context) => {
    await served(context, async (place) => {
      for (const failure of FAILURES) {
        await failsAt(place, errno, pack(place), failure)
        if (errno === 'EIO') await failsAt(place, errno, stage(place), failure)
      }
      const staged = await stageOf(place)
      for (const failure of FAILURES.filter(([kind]) => /^lookup|dir$/.test(kind)))
        await failsAt(place, errno, check(place), failure)
      // Joining an existing copy.
      await failsAt(place, errno, stage(place), ['lookup', 'conda-meta'])
      assert.equal(await stageOf(place), staged)
    })
  })

test('while the server of the original fails, copies are listed, verified and given back', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const { server, prefix } = place
    for (const errno of Object.keys(MEANINGS) as Errno[]) {
      const staged = await stageOf(place)
      await server.fail({}, constants.errno[errno])
      const whileFailing = async (args: string[]) => await run(place, args, { env: { CONDA_PREFIX: staged } })
      for (const args of [['--list'], ['--status'], ['--verify', `--prefix=${staged}`]]) {
        const { status, stdout, stderr } = await whileFailing(args)
        assert.equal(status, 0, `${args[0]}: ${stderr}`)
        assert.ok(stdout.includes(staged) || stderr.includes(staged), `${args[0]}: ${stdout}${stderr}`)
      }
      // The copy may be the last of it.
      const refused = await whileFailing(['--unstage', `--prefix=${staged}`])
      assert.equal(refused.status, 1)
      assert.ok(refused.stderr.includes(`${prefix} is gone or can't be reached`), refused.stderr)
      assert.ok(existsSync(staged))
      const { status, stderr } = await whileFailing(['--unstage', '--force', `--prefix=${staged}`])
      assert.equal(status, 0, stderr)
      await server.release()
      assert.deepEqual(readdirSync(place.local), [])
      await succeed(place, ['--verify', `--prefix=${prefix}`])
    }
  })
})

test('a session leaves its copy with --force while the server of the original fails', { skip }, async (context) => {
  await served(context, async (place) => {
    const { server, prefix, local } = place
    using bash = await Bash.start(place)
    const staged = await bash.run(`conda-stage --path='${local}'`)
    assert.match(staged, new RegExp(`status 0 in ${local}/.*/${place.name}\\.\n$`))
    await server.fail({}, constants.errno.ENOTCONN)
    const refused = await bash.run('conda-stage --unstage')
    assert.ok(refused.includes(`${prefix} is gone or can't be reached`), refused)
    assert.equal(refused.split('status ')[1], staged.split('status ')[1]!.replace(/^0/, '1'))
    const left = await bash.run('conda-stage --unstage --force')
    assert.ok(left.endsWith(`status 0 in ${prefix}.\n`), left)
    // What the session does not get back.
    for (const path of ['etc/conda/activate.d', 'conda-meta/state'])
      assert.ok(left.includes(`WARNING: ${prefix}/${path} can't be read: ${MEANINGS.ENOTCONN}`), left)
    await bash.end()
    assert.deepEqual(readdirSync(local), [])
  })
})

test('while the server of the original does not answer, copies are listed, verified and removed', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const staged = await stageOf(place)
    await place.server.hang({})
    for (const args of [
      ['--list', `--path=${place.local}`],
      ['--verify', `--prefix=${staged}`],
    ]) {
      const { stdout, stderr } = await succeed(place, args)
      assert.ok(`${stdout}${stderr}`.includes(staged), `${args[0]}: ${stdout}${stderr}`)
    }
    await succeed(place, ['--unstage', '--force', `--prefix=${staged}`])
    assert.deepEqual(readdirSync(place.local), [])
  })
})

test('if scripts or variables of the original fail while it is activated from a copy, nothing is activated by halves', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const { server, prefix, local } = place
    const kept = await stageOf(place)
    using bash = await Bash.start(place)
    for (const name of ['activate.d', 'deactivate.d', 'env_vars.d']) {
      await server.fail({ kind: name === 'env_vars.d' ? 'lookup' : 'opendir', name }, constants.errno.EIO)
      const failed = await bash.run(`conda-stage --path='${local}'`)
      assert.ok(failed.includes(`ERROR: ${prefix}/etc/conda/${name} can't be read: ${MEANINGS.EIO}`), failed)
      assert.ok(failed.endsWith(`status 1 in ${prefix}.\n`), failed)
      assert.deepEqual(readdirSync(local), [basename(dirname(kept))])
    }
    await server.release()
    const staged = await bash.run(`conda-stage --path='${local}'`)
    assert.ok(staged.endsWith(`status 0 in ${kept}.\n`), staged)
    await bash.run('conda-stage --unstage')
    await bash.end()
  })
})
