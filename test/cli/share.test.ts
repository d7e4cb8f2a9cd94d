import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { copiedWorld, LAUNCHER, MOUNTING, run, stageOf, start, startCommand, succeed, type World } from './world.ts'

/** A process that may use a copy: its number goes to --session. */
async function holder(context: TestContext): Promise<ChildProcess & { pid: number }> {
  const child = spawn('sleep', ['300'], { stdio: 'ignore' })
  await once(child, 'spawn')
  context.after(() => child.kill('SIGKILL'))
  return child as ChildProcess & { pid: number }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const stageFor = ({ pid }: { pid: number }, world: World, args: readonly string[] = []): Promise<string> =>
  stageOf(world, [`--session=${pid}`, ...args])

const unstageFor = ({ pid }: { pid: number }, world: World, prefix: string) =>
  succeed(world, ['--unstage', `--prefix=${prefix}`, `--session=${pid}`])

const copiesIn = (world: World): string[] => readdirSync(world.local)

const stageAll = (world: World): string[] => [`--prefix=${world.prefix}`, `--path=${world.local}`]

test('a second session uses the copy that is there, and is told who else does', async (context) => {
  const world = await copiedWorld(context)
  const sessions = [await holder(context), await holder(context), await holder(context)]
  const prefix = await stageFor(sessions[0]!, world)
  const second = await run(world, [...stageAll(world), `--session=${sessions[1]!.pid}`])
  assert.equal(second.stdout, `${prefix}\n`)
  assert.match(
    second.stderr,
    new RegExp(`INFO: Using the copy that is already staged: ${prefix} \\(also in use by 1 other\\)\n`),
  )
  assert.doesNotMatch(second.stderr, /Extracting|Packaging/)
  const third = await run(world, [...stageAll(world), '--json', `--session=${sessions[2]!.pid}`])
  assert.match(third.stderr, /also in use by 2 others/)
  const { others, ...result } = JSON.parse(third.stdout)
  assert.deepEqual([others, result.prefix, result.original], [2, prefix, world.prefix])
  assert.equal(copiesIn(world).length, 1)
})

test('a copy goes with the last one who uses it, not earlier', async (context) => {
  const world = await copiedWorld(context)
  const [first, second] = [await holder(context), await holder(context)]
  const prefix = await stageFor(first, world)
  await stageFor(second, world)
  const { stderr } = await unstageFor(first, world, prefix)
  assert.match(stderr, new RegExp(`The copy stays: process ${second.pid} uses it`))
  assert.ok(existsSync(`${prefix}/conda-meta`))
  await unstageFor(second, world, prefix)
  assert.deepEqual(copiesIn(world), [])
})

test('who asked twice for a copy can give it back twice', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  assert.equal(await stageFor(session, world), prefix)
  await unstageFor(session, world, prefix)
  assert.ok(existsSync(prefix))
  await unstageFor(session, world, prefix)
  assert.deepEqual(copiesIn(world), [])
})

test('a script that asks for the path of a copy again and again is one user, and is not told of itself', async (context) => {
  const place = await copiedWorld(context)
  const script = `"$0" "$@"; "$0" "$@"; P=$("$0" "$@"); "$0" --list --json --path="$LOCAL"`
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  const options = { env: { LOCAL: place.local } }
  const { status, stdout, stderr } = await startCommand(place, ['bash', '-c', script, LAUNCHER, ...args], options).ended
  assert.equal(status, 0, stderr)
  assert.equal(stderr.match(/Using the copy that is already staged: \S+\n/g)?.length, 2, stderr)
  assert.doesNotMatch(stderr, /also in use/)
  const [copy] = JSON.parse(stdout.slice(stdout.indexOf('{'))).stages
  assert.equal(copy.users.length, 1)
})

test('--private, its setting and --writable make a copy of one’s own, which nobody else gets', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefixes = [
    await stageFor(session, world, ['--private']),
    await stageFor(session, world),
    await stageFor(session, world, ['--writable']),
    await stageOf(world, [], { env: { CONDA_STAGE_PRIVATE: 'true' } }),
  ]
  assert.equal(new Set(prefixes).size, 4)
  assert.equal(await stageFor(session, world), prefixes[1])
})

test('whoever comes after the end of all who used a copy removes it', async (context) => {
  const world = await copiedWorld(context)
  const other = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  await end(session)
  assert.ok(existsSync(prefix))
  const next = await stageOf({ ...other, local: world.local })
  assert.deepEqual(copiesIn(world), [dirname(next).slice(world.local.length + 1)])
})

test('a copy whose user was killed is joined, not made again', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  await end(session)
  const next = await run(world, stageAll(world))
  assert.equal(next.stdout, `${prefix}\n`)
  assert.match(next.stderr, /INFO: Using the copy that is already staged: \S+\n/)
})

test('with --keep=MINUTES a copy is kept for the next session, and goes when its time is over', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world, ['--keep=30'])
  const { stderr } = await unstageFor(session, world, prefix)
  assert.match(stderr, /The copy is kept for the next session until (?:\d{4}-\d\d-\d\d )?\d\d:\d\d/)
  assert.equal(await stageFor(session, world, ['--keep=30']), prefix)
  await unstageFor(session, world, prefix)
  const other = await copiedWorld(context)
  const elsewhere = { ...other, local: world.local }
  await stageFor(session, elsewhere)
  assert.ok(existsSync(prefix))
  writeFileSync(join(dirname(prefix), 'kept.json'), JSON.stringify({ until: Date.now() - 1000 }))
  await stageFor(session, elsewhere)
  assert.ok(!existsSync(prefix))
})

test('keep-minutes in the configuration counts for sessions that are killed, too', async (context) => {
  const world = await copiedWorld(context)
  const file = `${world.root}/home/me/.config/conda-stage/config.yaml`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'keep-minutes: 30\n')
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  await end(session)
  const other = await copiedWorld(context)
  await stageOf({ ...other, local: world.local })
  assert.ok(existsSync(prefix))
  const { until } = JSON.parse(readFileSync(join(dirname(prefix), 'kept.json'), 'utf8'))
  assert.ok(Math.abs(until - Date.now() - 30 * 60_000) < 60_000)
})

test('after an update those who run keep their copy, new ones get the new one, and the old one goes with its last user', async (context) => {
  const world = await copiedWorld(context)
  const [first, second] = [await holder(context), await holder(context)]
  const old = await stageFor(first, world)
  appendFileSync(`${world.prefix}/conda-meta/history`, '==> later <==\n')
  const updated = await stageFor(second, world)
  assert.notEqual(updated, old)
  assert.doesNotMatch(readFileSync(`${old}/conda-meta/history`, 'utf8'), /later/)
  assert.match(readFileSync(`${updated}/conda-meta/history`, 'utf8'), /later/)
  await unstageFor(first, world, old)
  assert.deepEqual(copiesIn(world), [dirname(updated).slice(world.local.length + 1)])
})

const someFile = (prefix: string): string => {
  const [record] = readdirSync(`${prefix}/conda-meta`).filter((name) => name.endsWith('.json'))
  const { files } = JSON.parse(readFileSync(`${prefix}/conda-meta/${record}`, 'utf8'))
  return files.find((file: string) => existsSync(`${prefix}/${file}`))
}

test('a copy from which files were removed is not joined but replaced, with a warning that names one', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  const file = someFile(prefix)
  chmodSync(dirname(`${prefix}/${file}`), 0o755)
  rmSync(`${prefix}/${file}`)
  const next = await run(world, stageAll(world))
  const other = next.stdout.trimEnd()
  assert.notEqual(other, prefix)
  assert.match(
    next.stderr,
    new RegExp(`WARNING: The copy ${prefix} is damaged: ${file.replaceAll('+', '\\+')} is gone or changed`),
  )
  assert.ok(existsSync(`${other}/${file}`))
  assert.ok(existsSync(prefix), 'whoever uses it keeps it')
  await end(session)
  assert.equal(await stageOf(world), other)
  assert.ok(!existsSync(prefix))
})

test('byte code that Python adds to a copy is no damage', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageOf(world)
  const folder = dirname(`${prefix}/${someFile(prefix)}`)
  chmodSync(folder, 0o755)
  writeFileSync(`${folder}/new.pyc`, '')
  chmodSync(folder, 0o555)
  assert.equal(await stageOf(world), prefix)
})

test('a dozen that start together without an archive and without a copy pack once, extract once and share', async (context) => {
  const world = await copiedWorld(context)
  const sessions = await Promise.all(Array.from({ length: 12 }, () => holder(context)))
  const all = await Promise.all(sessions.map(({ pid }) => run(world, [...stageAll(world), `--session=${pid}`])))
  assert.equal(new Set(all.map(({ stdout }) => stdout)).size, 1, JSON.stringify(all.map(({ stderr }) => stderr)))
  const errors = all.map(({ stderr }) => stderr).join('')
  assert.equal(errors.match(/Packaging/g)?.length, 1)
  assert.equal(errors.match(/Extracting/g)?.length, 1)
  assert.equal(errors.match(/Using the copy that is already staged/g)?.length, 11)
  assert.equal(copiesIn(world).length, 1)
})

test('if the one that makes the copy is killed, another one makes it', async (context) => {
  const world = await copiedWorld(context)
  const first = start(world, stageAll(world))
  while (!copiesIn(world).some((name) => name.startsWith('conda-stage_'))) await sleep(2)
  const others = [start(world, stageAll(world)), start(world, stageAll(world))]
  await sleep(300)
  first.child.kill('SIGKILL')
  const [one, two] = await Promise.all(others.map(({ ended }) => ended))
  assert.deepEqual([one!.status, two!.status], [0, 0], one!.stderr + two!.stderr)
  assert.equal(one!.stdout, two!.stdout)
  assert.equal(copiesIn(world).length, 1)
})

test('a copy whose archive could not be written is shared, as long as the environment is as it was', async (context) => {
  const world = await copiedWorld(context)
  const envs = dirname(world.prefix)
  const readOnly = [...MOUNTING, 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; exec "$@"', envs]
  const options = { env: { XDG_CACHE_HOME: '/dev/null/none' }, inside: readOnly }
  const session = await holder(context)
  const first = await run(world, [...stageAll(world), `--session=${session.pid}`], options)
  assert.match(first.stderr, /Staging continues without an archive/)
  const next = await run(world, stageAll(world), options)
  assert.equal(next.stdout, first.stdout, next.stderr)
  appendFileSync(`${world.prefix}/conda-meta/history`, '==> later <==\n')
  const later = await run(world, stageAll(world), options)
  assert.equal(later.status, 0, later.stderr)
  assert.notEqual(later.stdout, first.stdout)
})

test('who joins a copy does not read its archive, as long as that is the same file', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageFor(await holder(context), world)
  const { archive } = world
  // Not a byte of it is what it was, so reading it would show damage.
  const spoil = 'touch -r "$0" "$1"; head -c "$2" /dev/zero | dd of="$0" conv=notrunc status=none; touch -r "$1" "$0"'
  execFileSync('sh', ['-c', spoil, archive, join(world.root, 'times'), `${statSync(archive).size}`])
  const same = await run(world, stageAll(world))
  assert.equal(same.stdout, `${prefix}\n`, same.stderr)
  utimesSync(archive, 1, 1)
  const another = await run(world, stageAll(world))
  assert.notEqual(another.stdout, `${prefix}\n`)
})

test('an archive that others could have changed since the copy was made is refused, and so is the copy', async (context) => {
  const world = await copiedWorld(context)
  await stageFor(await holder(context), world)
  chmodSync(world.archive, 0o666)
  const { status, stderr } = await run(world, stageAll(world))
  assert.equal(status, 1)
  assert.match(stderr, /The archive .* is not used: other users can write to it/)
})

test('a copy is not joined once its environment has changed, although its archive is the same file', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageFor(await holder(context), world)
  appendFileSync(`${world.prefix}/conda-meta/history`, '==> later <==\n')
  const { stdout, stderr } = await run(world, stageAll(world))
  assert.notEqual(stdout, `${prefix}\n`)
  assert.match(stderr, /is out of date: conda-meta\/history has changed/)
})

test('an archive in the place that comes first is taken, although a copy of the one in the second is there', async (context) => {
  const world = await copiedWorld(context)
  const envs = dirname(world.prefix)
  const readOnly = [...MOUNTING, 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; exec "$@"', envs]
  const session = await holder(context)
  const first = await run(world, [...stageAll(world), `--session=${session.pid}`], { inside: readOnly })
  assert.match(first.stderr, /The archive goes to .*\/cache\//)
  const joined = await run(world, stageAll(world))
  assert.equal(joined.stdout, first.stdout, joined.stderr)
  writeFileSync(world.archive, 'not ours')
  const next = await run(world, [...stageAll(world), '--verbose'])
  assert.equal(next.stdout, first.stdout, next.stderr)
  rmSync(world.archive)
  await succeed(world, ['--pack', `--prefix=${world.prefix}`, `--output=${world.archive}`])
  const newer = await run(world, stageAll(world))
  assert.notEqual(newer.stdout, first.stdout)
})

test('a process that is gone before its caller can use the copy never holds it', async (context) => {
  const world = await copiedWorld(context)
  const other = await copiedWorld(context)
  await stageOf(other)
  const stage = [LAUNCHER, '--quiet', ...stageAll(world)].map((word) => `'${word}'`).join(' ')
  const sweep = [LAUNCHER, '--quiet', '--clean', `--path=${world.local}`].join(' ')
  const callers = {
    // First, because the others' login session, that of the tests, keeps the copy.
    'a command substitution that calls the shell function': [
      'setsid',
      '--wait',
      'bash',
      '-c',
      `eval "$('${LAUNCHER}' --source=bash)"; P=$(conda-stage --quiet ${stageAll(world).join(' ')}); ${sweep} && test -d "$P" && conda-stage --quiet --unstage --prefix="$P"`,
    ],
    'a command substitution in a pipeline': ['bash', '-c', `P=$(${stage} | cat) && ${sweep} && test -d "$P"`],
    'a script under setsid, as from cron': ['setsid', '--wait', 'sh', '-c', `P=$(${stage}); ${sweep} && test -d "$P"`],
    'a program that starts it in a session of its own': [
      'python3',
      '-c',
      `import subprocess, sys
p = subprocess.run(sys.argv[1], shell=True, start_new_session=True, capture_output=True, text=True, check=True).stdout.strip()
subprocess.run(sys.argv[2], shell=True, start_new_session=True, check=True)
import os; sys.exit(not os.path.isdir(p))`,
      stage,
      sweep,
    ],
    'a script whose login session ends': [
      'bash',
      '-c',
      `setsid bash -c 'bash -c "P=\\$(${stage.replaceAll("'", '')}); sleep 1; ${sweep}; test -d \\$P && touch ${world.root}/found" & sleep 0.9'; sleep 3; test -e ${world.root}/found`,
    ],
  }
  for (const [name, command] of Object.entries(callers)) {
    const { status, stderr } = await startCommand(world, command, {}).ended
    assert.equal(status, 0, `${name}: ${stderr}`)
  }
})

test('a copy is joined on a full disk', { skip: process.getuid!() !== 0 }, async (context) => {
  const world = await copiedWorld(context)
  const mounted = `mount -t tmpfs -o size=64m none ${world.local}; ${LAUNCHER} ${stageAll(world).join(' ')} > ${world.root}/one
    head -c 1G /dev/zero > ${world.local}/filler 2> /dev/null || truncate -s -8k ${world.local}/filler
    exec ${LAUNCHER} ${stageAll(world).join(' ')} > ${world.root}/two`
  const { status, stderr } = await startCommand(
    world,
    ['unshare', '-m', '--propagation=private', 'sh', '-c', mounted],
    {},
  ).ended
  assert.equal(status, 0, stderr)
  assert.equal(readFileSync(`${world.root}/two`, 'utf8'), readFileSync(`${world.root}/one`, 'utf8'))
})

test('--list shows what is staged and who uses it, for people and as JSON', async (context) => {
  const world = await copiedWorld(context)
  assert.equal((await succeed(world, ['--list', `--path=${world.local}`])).stdout, 'No copies on this node\n')
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  const { stdout } = await succeed(world, ['--list', `--path=${world.local}`])
  assert.match(
    stdout,
    new RegExp(
      `^  ${prefix}\n    of ${world.prefix}, \\d.* MB, \\d+ seconds? old\n    used by process ${session.pid} \\(sleep\\) since \\d\\d:\\d\\d\n$`,
    ),
  )
  const { stages } = JSON.parse((await succeed(world, ['--list', '--json', `--path=${world.local}`])).stdout)
  assert.equal(stages.length, 1)
  const [{ users, bytes, files, isPrivate, readOnly, ...rest }] = stages
  assert.deepEqual([rest.prefix, rest.original, isPrivate, readOnly], [prefix, world.prefix, false, true])
  assert.deepEqual([users.length, users[0].kind, users[0].pids], [1, 'session', [session.pid]])
  assert.ok(bytes > 0 && files > 0)
  await end(session)
  assert.match((await succeed(world, ['--list', `--path=${world.local}`])).stdout, /not in use\n$/)
  assert.ok(existsSync(prefix), '--list removes nothing')
})

test('--clean removes what nobody uses and what killed calls left, and nothing else', async (context) => {
  const world = await copiedWorld(context)
  const [living, dying] = [await holder(context), await holder(context)]
  const used = await stageFor(living, world, ['--private'])
  const unused = await stageFor(dying, world, ['--private'])
  const kept = await stageFor(dying, world, ['--private', '--keep'])
  const changed = await stageFor(dying, world, ['--writable'])
  writeFileSync(`${changed}/mine`, '')
  await end(dying)
  mkdirSync(`${world.local}/.conda-stage_abcdef.removing/x`, { recursive: true })
  writeFileSync(`${world.local}/notes.txt`, '')
  const clean = ['--clean', `--path=${world.local}`]
  const dry = await succeed(world, [...clean, '--dry-run'])
  assert.match(dry.stderr, new RegExp(`Would remove ${unused}, the copy of ${world.prefix}\n`))
  assert.equal(copiesIn(world).length, 6)
  const { stdout, stderr } = await succeed(world, [...clean, '--json'])
  assert.deepEqual(JSON.parse(stdout), {
    removed: [unused, kept].sort((a, b) => stdout.indexOf(a) - stdout.indexOf(b)),
    debris: [`${world.local}/.conda-stage_abcdef.removing`],
  })
  assert.match(stderr, new RegExp(`${used} stays: it is in use\n`))
  assert.match(
    stderr,
    new RegExp(
      `${changed} stays: files in it were changed\\. To remove it: conda-stage --unstage --force --prefix=${changed}\n`,
    ),
  )
  const rest = [dirname(used), dirname(changed), `${world.local}/notes.txt`].map((path) =>
    path.slice(world.local.length + 1),
  )
  assert.deepEqual(copiesIn(world).sort(), rest.sort())
  const { stderr: again } = await succeed(world, clean)
  assert.match(again, /There was nothing to remove/)
})

test('--clean names a lease that it can’t read, leaves that copy alone, and goes on; a mode alone stops nobody', async (context) => {
  const world = await copiedWorld(context)
  const dying = await holder(context)
  const [others, closed, unused] = [
    await stageFor(dying, world, ['--private']),
    await stageFor(dying, world, ['--private']),
    await stageFor(dying, world, ['--private']),
  ]
  await end(dying)
  const leaseOf = (prefix: string) =>
    join(dirname(prefix), '.leases', readdirSync(join(dirname(prefix), '.leases'))[0]!)
  // A link to itself stands for a file of somebody else, for root, too. The other is what a wrapper writes under umask 777.
  const unread = leaseOf(others)
  rmSync(unread)
  symlinkSync(unread, unread)
  chmodSync(leaseOf(closed), 0)
  const why = `${unread} can't be read: [^\n]*`
  const list = await succeed(world, ['--list', `--path=${world.local}`])
  assert.match(list.stdout, new RegExp(`    used by somebody unknown: ${why}\n`))
  const args = ['--clean', `--path=${world.local}`]
  const { stdout, stderr } = await succeed(world, [...args, '--json'], { inside: UNPRIVILEGED })
  assert.match(
    stderr,
    new RegExp(`^WARNING: ${others} stays: ${why}\n {9}It says who uses a copy, so that copy stays. [^\n]*remove`, 'm'),
  )
  assert.deepEqual(new Set(JSON.parse(stdout).removed), new Set([closed, unused]))
  assert.deepEqual(copiesIn(world), [dirname(others).slice(world.local.length + 1)])
  rmSync(unread)
  await succeed(world, args)
  assert.deepEqual(copiesIn(world), [])
})

test('--clean --all takes what is in use only if somebody agrees or --force is given', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageFor(await holder(context), world)
  const clean = ['--clean', '--all', `--path=${world.local}`]
  const refused = await run(world, clean)
  assert.equal(refused.status, 2)
  assert.match(
    refused.stderr,
    new RegExp(
      `ERROR: A copy that somebody may need would be removed, and there is no terminal to ask at:\n {7}${prefix}: it is in use\n`,
    ),
  )
  assert.ok(existsSync(prefix))
  await succeed(world, [...clean, '--force'])
  assert.deepEqual(copiesIn(world), [])
})

test('--session must name a process that runs', async (context) => {
  const world = await copiedWorld(context)
  const { status, stderr } = await run(world, [...stageAll(world), '--session=4194303'])
  assert.equal(status, 2)
  assert.match(stderr, /ERROR: --session=4194303: no such process runs here/)
})

test('the time of a folder does not matter to a copy that is whole', async (context) => {
  const world = await copiedWorld(context)
  const prefix = await stageOf(world)
  utimesSync(`${prefix}/conda-meta`, 1, 1)
  assert.equal(await stageOf(world), prefix)
})

test('--dry-run names the copy that is there already', async (context) => {
  const world = await copiedWorld(context)
  const session = await holder(context)
  const prefix = await stageFor(session, world)
  const { stdout } = await succeed(world, [...stageAll(world), '--dry-run'])
  assert.match(stdout, new RegExp(`^copy: +${prefix} is there already$`, 'm'))
  const { copy, local } = JSON.parse((await succeed(world, [...stageAll(world), '--dry-run', '--json'])).stdout)
  assert.deepEqual([copy, local], [prefix, undefined])
  const other = JSON.parse((await succeed(world, [...stageAll(world), '--private', '--dry-run', '--json'])).stdout)
  assert.deepEqual([other.copy, other.local.path], [undefined, world.local])
})

test('--verbose says if only one job can share a copy, because the folder belongs to the job', async (context) => {
  const world = await copiedWorld(context)
  const env = { SLURM_JOB_ID: '812345', SLURM_TMPDIR: world.local }
  const stage = (variables: Record<string, string>) =>
    succeed(world, [`--prefix=${world.prefix}`, '--no-skip-local', '--verbose'], { env: variables })
  const { stdout, stderr } = await stage(env)
  assert.ok(stdout.startsWith(world.local))
  assert.match(stderr, new RegExp(`INFO: ${world.local} belongs to job 812345: only this job shares the copy\n`))
  const outside = await stage({ CONDA_STAGE_PATH: world.local, SLURM_JOB_ID: '812346' })
  assert.doesNotMatch(outside.stderr, /belongs to job/)
})

test('--keep without a number lasts until somebody unstages: the end of another session does not remove the copy', async (context) => {
  const world = await copiedWorld(context)
  const [first, second] = [await holder(context), await holder(context)]
  const prefix = await stageFor(first, world, ['--keep'])
  await end(first)
  assert.equal(await stageFor(second, world), prefix)
  await end(second)
  const other = await copiedWorld(context)
  await stageOf({ ...other, local: world.local })
  assert.ok(existsSync(prefix))
  await succeed(world, ['--unstage', `--prefix=${prefix}`])
  assert.ok(!existsSync(prefix))
})

test('--unstage --force removes a copy that was to stand for some time, but not one that others use', async (context) => {
  const world = await copiedWorld(context)
  const [first, second] = [await holder(context), await holder(context)]
  const prefix = await stageFor(first, world, ['--keep=30'])
  await stageFor(second, world)
  const force = ['--unstage', '--force', `--prefix=${prefix}`]
  assert.match(
    (await succeed(world, [...force, `--session=${first.pid}`])).stderr,
    /The copy stays: process \d+ uses it/,
  )
  await succeed(world, [...force, `--session=${second.pid}`])
  assert.deepEqual(copiesIn(world), [])
})

test('strace -f of a call that gives a path ends with that call, although the copy stays in use', async (context) => {
  const place = await copiedWorld(context)
  const inside = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', 'trace=execve']
  // Stopped after a minute if it waits for the process that holds the lock on the copy.
  await stageOf(place, [], { inside })
})
