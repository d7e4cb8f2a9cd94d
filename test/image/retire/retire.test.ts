/** Retiring and restoring, with the program as it ships. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'

import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { test } from 'node:test'
import type { StageError } from '../../../src/errors.ts'
import { retire } from '../../../src/pipeline/retire.ts'
import { MOUNTING, type RunOptions, run, startCommand } from '../../cli/world.ts'
import { ALICE, NEEDS_ROOT, readerAs } from '../../platform/other-users.ts'
import { type Retirement, retirement, stateOf } from './world.ts'

async function succeed(place: Retirement, args: readonly string[], options: RunOptions = {}) {
  const ended = await run(place, args, options)
  assert.equal(ended.status, 0, `${args.join(' ')}: ${JSON.stringify(ended, null, 2)}`)
  return ended
}

const RETIRE = ({ prefix }: Retirement) => ['--retire', '--force', `--prefix=${prefix}`]
const RESTORE = ({ prefix }: Retirement) => ['--restore', `--prefix=${prefix}`]

test('a retired environment is one file, which can be staged, and --restore brings back every byte, mode, time and link', async (context) => {
  const place = retirement(context)
  const { prefix, archive, local, debris } = place
  const before = stateOf(prefix)
  const retired = await succeed(place, [...RETIRE(place), '--json'])
  assert.deepEqual([existsSync(prefix), existsSync(archive), debris()], [false, true, []])
  const { entries, archiveBytes } = JSON.parse(retired.stdout)
  assert.deepEqual([entries, archiveBytes], [before.match(/\0[dfl] /g)!.length, statSync(archive).size])
  assert.match(retired.stderr, new RegExp(`conda-stage --archive='${archive}'\\n`))

  const { stdout } = await succeed(place, [`--archive=${archive}`, `--path=${local}`])
  assert.equal(
    execFileSync(`${stdout.trimEnd()}/bin/tool`, { encoding: 'utf8' }),
    `${stdout.trimEnd()}/bin/tool ${stdout}`,
  )
  await succeed(place, ['--unstage', `--prefix=${stdout.trimEnd()}`])

  await succeed(place, RESTORE(place))
  assert.equal(stateOf(prefix), before)
  assert.deepEqual([existsSync(archive), debris()], [true, []], 'the archive stays')
  // The same archive serves again.
  const { mtimeMs } = statSync(archive)
  await succeed(place, RETIRE(place))
  assert.equal(statSync(archive).mtimeMs, mtimeMs)
  renameSync(archive, `${place.root}/elsewhere`)
  await succeed(place, ['--restore', `--archive=${place.root}/elsewhere`])
  assert.equal(stateOf(prefix), before)
})

test('whoever looks for a retired environment, by path or by name, is told how to stage it and how to bring it back', async (context) => {
  const place = retirement(context)
  const { prefix, archive } = place
  await succeed(place, RETIRE(place))
  for (const args of [[`--prefix=${prefix}`], ['--name=my env'], ['--pack', `--prefix=${prefix}`], RETIRE(place)]) {
    const { status, stderr } = await run(place, args, { env: { CONDA_ENVS_PATH: dirname(prefix) } })
    assert.equal(status, 1)
    assert.match(
      stderr,
      new RegExp(
        `^ERROR: ${prefix} is retired: only its archive is there\n {7}conda-stage --archive='${archive}' .*--restore --prefix='${prefix}'`,
      ),
    )
  }
  const { stdout } = await succeed(place, ['--status'], { env: { CONDA_ENVS_PATH: dirname(prefix) } })
  assert.match(stdout, new RegExp(`retired environments .*\n +${archive} `))
  assert.doesNotMatch(stdout, /remove them with rm/)
})

test('--dry-run of both says what would happen, and writes nothing', async (context) => {
  const place = retirement(context)
  const before = stateOf(dirname(place.prefix))
  const retired = await succeed(place, [...RETIRE(place), '--dry-run'])
  assert.match(
    retired.stderr,
    /Would replace .*my env \(\d+ files, folders and links, \d\S* MB\) by .*retired\.tar\.zst/,
  )
  assert.equal(stateOf(dirname(place.prefix)), before)
  await succeed(place, RETIRE(place))
  const after = stateOf(dirname(place.prefix))
  const restored = await succeed(place, [...RESTORE(place), '--dry-run'])
  assert.match(restored.stderr, /Would make .*my env .* from .*retired\.tar\.zst/)
  assert.equal(stateOf(dirname(place.prefix)), after)
})

test('without --force, --retire asks; where nobody can be asked, nothing happens', async (context) => {
  const place = retirement(context)
  const before = stateOf(place.prefix)
  const { status, stderr } = await run(place, ['--retire', `--prefix=${place.prefix}`])
  assert.equal(status, 2)
  assert.match(stderr, /would be removed, and there is no terminal to ask at\n.*--retire --force/)
  const answered = (word: string) =>
    execFileSync(
      'script',
      ['-qec', `'${LAUNCHER}' --retire --prefix='${place.prefix}'; echo "status $?"`, '/dev/null'],
      {
        input: `${word}\n`,
        encoding: 'utf8',
        env: place.env,
      },
    )
  assert.match(answered('n'), /Go on\? \[y\/N\] [\s\S]*is as it was[\s\S]*status 1/)
  assert.deepEqual([stateOf(place.prefix), place.debris(), existsSync(place.archive)], [before, [], false])
  assert.match(answered('y'), /status 0/)
  assert.ok(!existsSync(place.prefix))
})

/** What keeps an environment from being retired: each is made, has to be named, and is taken back. */
const DOUBTS: [
  what: string,
  says: RegExp,
  make: (place: Retirement) => undefined | (() => void),
  options?: (place: Retirement) => RunOptions,
][] = [
  [
    'that is active',
    /it is active in this session/,
    () => undefined,
    ({ prefix }) => ({ env: { CONDA_PREFIX: prefix } }),
  ],
  [
    'that is beneath the active one',
    /it is active in this session/,
    () => undefined,
    ({ prefix }) => ({ env: { CONDA_PREFIX_1: prefix } }),
  ],
  [
    'in which the session stands',
    /the current folder is in it/,
    () => undefined,
    ({ prefix }) => ({ cwd: `${prefix}/lib` }),
  ],
  ['in which a program stands', /process \d+/, ({ prefix }) => sleeper(`${prefix}/lib`)],
  ['of which a program has a file open', /process \d+/, ({ prefix }) => sleeper('/', `${prefix}/lib/large`)],
  [
    'that is staged automatically',
    /it is staged automatically \(conda-stage --auto-stage=disable ends that\)/,
    ({ prefix, env }) => {
      execFileSync(LAUNCHER, ['--auto-stage=enable', `--prefix=${prefix}`], { env, stdio: 'ignore' })
      return undefined
    },
  ],
  [
    'with a lock',
    /conda-meta\/conda-meta\.lock is a lock/,
    ({ prefix }) => file(`${prefix}/conda-meta/conda-meta.lock`),
  ],
  [
    'with the record of conda-unpack',
    /conda-meta\/conda-stage-prefixes is a lock or a record/,
    ({ prefix }) => file(`${prefix}/conda-meta/conda-stage-prefixes`),
  ],
  [
    'with a FIFO',
    /lib\/fifo is a FIFO: an archive can't hold it/,
    ({ prefix }) => {
      execFileSync('mkfifo', [`${prefix}/lib/fifo`])
      return undefined
    },
  ],
  [
    'with environments in it',
    /envs may hold other environments/,
    ({ prefix }) => {
      mkdirSync(`${prefix}/envs`)
      return undefined
    },
  ],
  [
    'with an access list',
    /lib\/large has an access list \(system\.posix_acl_access\)/,
    ({ prefix }) => {
      execFileSync('setfacl', ['-m', 'u:1234:r', `${prefix}/lib/large`])
      return undefined
    },
  ],
  [
    'with an attribute',
    /lib\/large has an attribute \(user\.mine\)/,
    ({ prefix }) => {
      execFileSync('python3', [
        '-c',
        'import os, sys; os.setxattr(sys.argv[1], "user.mine", b"x")',
        `${prefix}/lib/large`,
      ])
      return undefined
    },
  ],
]

const LAUNCHER = new URL('../../../bin/conda-stage', import.meta.url).pathname

function file(path: string): undefined {
  writeFileSync(path, '')
  return undefined
}

function sleeper(cwd: string, open?: string): () => void {
  const child = spawn('sleep', ['60'], {
    cwd,
    stdio: ['ignore', open === undefined ? 'ignore' : openSync(open, 'r'), 'ignore'],
  })
  return () => void child.kill('SIGKILL')
}

for (const [what, says, make, options] of DOUBTS) {
  test(`an environment ${what} is not retired, and the message says why`, async (context) => {
    // A disk: not every tmpfs has attributes of users.
    const place = retirement(context, tmpdir())
    const undo = make(place)
    if (undo) context.after(undo)
    const before = stateOf(place.prefix)
    for (const more of [[], ['--dry-run']]) {
      const { status, stderr } = await run(place, [...RETIRE(place), ...more], options?.(place) ?? {})
      assert.equal(status, 1, stderr)
      assert.match(stderr, /ERROR: .* is not retired, and is as it was:\n/)
      assert.match(stderr, says)
    }
    assert.deepEqual([stateOf(place.prefix), place.debris(), existsSync(place.archive)], [before, [], false])
  })
}

test('an environment whose copy is in use on this node is not retired; one whose copies nobody uses is', async (context) => {
  const place = retirement(context)
  const holder = spawn('sleep', ['60'], { stdio: 'ignore' })
  context.after(() => holder.kill('SIGKILL'))
  const stage = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--session=${holder.pid}`]
  const copy = (await succeed(place, stage)).stdout.trimEnd()
  const { status, stderr } = await run(place, RETIRE(place))
  assert.equal(status, 1)
  assert.ok(stderr.includes(`its copy ${copy} is in use`), stderr)
  holder.kill('SIGKILL')
  await new Promise((resolve) => holder.on('exit', resolve))
  await succeed(place, RETIRE(place))
  // The archive stands for the original: the copy is not the last one.
  await succeed(place, ['--clean', `--path=${place.local}`])
  assert.ok(!existsSync(copy))
})

test('an environment that is not there is called that, even if its folder is not there either or is closed', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = retirement(context)
  const closed = `${place.root}/closed`
  mkdirSync(closed, { mode: 0o555 })
  chmodSync(place.root, 0o755)
  const retireThere = (prefix: string) =>
    run(place, ['--retire', '--force', `--prefix=${prefix}`], { inside: readerAs(ALICE) })
  for (const prefix of [`${place.root}/nowhere/my`, `${closed}/my`]) {
    const { status, stderr } = await retireThere(prefix)
    assert.deepEqual([status, stderr.split('\n')[0]], [1, `ERROR: ${prefix} does not exist`])
  }
  writeFileSync(`${closed}/my.retired.tar.zst`, '')
  assert.match((await retireThere(`${closed}/my`)).stderr, /^ERROR: \S+ is retired: only its archive is there\n/)
})

test("a link, a base environment, and what is not the user's alone are refused", {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = retirement(context)
  const { prefix, root } = place
  symlinkSync(prefix, `${root}/link`)
  const link = await run(place, ['--retire', '--force', `--prefix=${root}/link`])
  assert.match(link.stderr, new RegExp(`is a symbolic link\n {7}Name the folder itself: --prefix=${prefix}`))
  const base = await run(place, RETIRE(place), {
    env: { CONDA_EXE: `${prefix}/bin/conda`, CONDA_STAGE_ALLOW_BASE: 'true' },
  })
  assert.match(base.stderr, /is a base environment/)
  chownSync(`${prefix}/lib/large`, ALICE, 0)
  assert.match(
    (await run(place, RETIRE(place))).stderr,
    new RegExp(`lib/large belongs to another user \\(uid ${ALICE}\\)`),
  )
  chownSync(`${prefix}/lib/large`, 0, ALICE)
  assert.match((await run(place, RETIRE(place))).stderr, new RegExp(`lib/large has group ${ALICE}, .*chgrp`))
})

test('an ordinary user retires and restores an environment of theirs, also one in a folder of a group', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = retirement(context)
  const { prefix, root } = place
  const inside = readerAs(ALICE)
  chmodSync(root, 0o755)
  execFileSync('chown', ['-hR', `${ALICE}:${ALICE}`, root])
  chmodSync(`${prefix}/lib/shared`, 0o2775)
  const before = stateOf(prefix)
  await succeed(place, RETIRE(place), { inside })
  await succeed(place, RESTORE(place), { inside })
  assert.equal(stateOf(prefix), before)
  chmodSync(dirname(prefix), 0o555)
  const { status, stderr } = await run(place, RETIRE(place), { inside })
  assert.equal(status, 1)
  assert.match(stderr, /You can't write to .*envs, so .*my env can't be renamed/)
  assert.equal(stateOf(prefix), before)
})

test('an environment that changes while it is retired stays, and nothing is left of the attempt', async (context) => {
  const place = retirement(context)
  const { prefix, archive } = place
  for (const change of [
    () => writeFileSync(`${prefix}/lib/large`, 'other'),
    () => writeFileSync(`${prefix}/lib/new`, ''),
    () => rmSync(`${prefix}/lib/dangling`),
    () => chmodSync(`${prefix}/bin/tool`, 0o700),
    // Its time and its size are as before.
    () =>
      execFileSync('sh', [
        '-c',
        'touch -r "$1" "$2"; printf X | dd of="$1" bs=1 seek=7 conv=notrunc status=none; touch -r "$2" "$1"',
        'sh',
        `${prefix}/lib/large`,
        `${place.root}/time`,
      ]),
  ]) {
    let verified = 0
    const onProgress = (event: { kind: string; phase?: string }) => {
      if (event.kind === 'done' && event.phase === 'verify' && verified++ === 0) change()
    }
    await assert.rejects(retire({ prefix, env: place.env, cwd: '/', onProgress }), (error: StageError) => {
      assert.equal(error.code, 'RETIRE_REFUSED')
      assert.match(error.lines.join('\n'), /was changed meanwhile/)
      return true
    })
    assert.ok(existsSync(`${prefix}/conda-meta`))
    assert.deepEqual([place.debris(), existsSync(archive)], [[], false])
  }
})

test('a retired archive that is there already is never replaced, and one that is not whole is not restored', async (context) => {
  const place = retirement(context)
  const { prefix, archive } = place
  await succeed(place, RETIRE(place))
  await succeed(place, RESTORE(place))
  writeFileSync(`${prefix}/lib/new`, 'new')
  const before = [stateOf(prefix), statSync(archive).mtimeMs]
  const { status, stderr } = await run(place, RETIRE(place))
  assert.equal(status, 1)
  assert.match(stderr, /retired\.tar\.zst holds an earlier state, and is not replaced\n {7}Move it away/)
  assert.deepEqual([stateOf(prefix), statSync(archive).mtimeMs], before)

  const there = await run(place, RESTORE(place))
  assert.match(there.stderr, /my env is there already/)
  renameSync(prefix, `${place.root}/away`)
  truncateSync(archive, 2000)
  const cut = await run(place, RESTORE(place))
  assert.equal(cut.status, 1)
  assert.match(cut.stderr, /is damaged/)
  assert.deepEqual([existsSync(prefix), place.debris()], [false, []])
})

test('an archive of another environment, or not of a whole one, is not restored', async (context) => {
  const place = retirement(context)
  const part = `${place.root}/part.tar.zst`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${part}`, '--exclude=lib/large'])
  await succeed(place, RETIRE(place))
  const other = await run(place, ['--restore', `--prefix=${place.root}/other`, `--archive=${place.archive}`])
  assert.match(other.stderr, /is the archive of .*my env, and can't be restored as .*other/)
  const partial = await run(place, ['--restore', `--archive=${part}`])
  assert.match(partial.stderr, /does not hold a whole environment/)
  const nothing = await run(place, ['--restore'])
  assert.equal(nothing.status, 2)
  assert.match(nothing.stderr, /--prefix=ENV, or its archive with --archive=FILE/)
})

test('an image is not restored, and the message says what can be done with it', async (context) => {
  const place = retirement(context)
  const { prefix, debris } = place
  const image = `${place.root}/an image.sqfs`
  await succeed(place, ['--pack', '--format=squashfs', `--prefix=${prefix}`, `--output=${image}`])
  renameSync(prefix, `${place.root}/gone`)
  const { status, stderr } = await run(place, ['--restore', `--archive=${image}`])
  assert.equal(status, 1)
  assert.match(stderr, /an image\.sqfs is an image, and an environment is restored from an archive/)
  assert.deepEqual([existsSync(prefix), debris()], [false, []])
})

test('on a full disk neither is retired nor restored, and nothing is left', async (context) => {
  const place = retirement(context)
  const { prefix, root } = place
  const script = `mount -t tmpfs -o size="$1" tmpfs "$2/small" && cp -a "$2/envs" "$2/small" && shift 2 && exec "$@"`
  mkdirSync(`${root}/small`)
  const small = `${root}/small/envs/my env`
  // Room for the environment, and not for its archive.
  writeFileSync(`${prefix}/lib/noise`, randomBytes(1_000_000))
  const blocks = Number(execFileSync('du', ['-sB4096', prefix], { encoding: 'utf8' }).split('\t')[0])
  const inside = [...MOUNTING, script, 'sh', `${(blocks + 12) * 4096}`, root, 'sh', '-c']
  const ended = await startScript(place, [
    ...inside,
    `'${LAUNCHER}' --retire --force --prefix='${small}'; echo "status $?"; ls -A '${dirname(small)}'; ls '${small}'`,
  ])
  assert.match(ended.stderr, /full|No space/)
  assert.match(ended.stdout, /^status 1\nmy env\nbin\nconda-meta\netc\nlib\n$/)

  await succeed(place, RETIRE(place))
  const again = `cp '${place.archive}' '${small}.retired.tar.zst'`
  const restore = `mkdir -p '${dirname(small)}'; ${again}; mount --bind '${root}/small/envs' '${root}/envs'; '${LAUNCHER}' --restore --prefix='${prefix}' || echo "status $?"; ls -A '${root}/envs'`
  const tiny = await startScript(place, [
    ...MOUNTING,
    `mount -t tmpfs -o size=${statSync(place.archive).size + 400_000} tmpfs "${root}/small"; ${restore}`,
  ])
  assert.match(tiny.stderr, /my env\.restoring can.t be written: .*\n +Make room there/)
  assert.match(tiny.stdout, /^status 1\nmy env\.retired\.tar\.zst\n$/)
})

test('what points into a retired environment is named', async (context) => {
  const place = retirement(context)
  const folder = `${dirname(place.prefix)}/other/lib/python3.12/site-packages`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/mine.pth`, `${place.prefix}/lib\n`)
  const { stderr } = await succeed(place, [...RETIRE(place), '--dry-run'])
  assert.match(stderr, /WARNING: .*mine\.pth points into .*my env, and stops working until it is restored/)
})

const startScript = (place: Retirement, command: readonly string[]) => startCommand(place, command, {}).ended
