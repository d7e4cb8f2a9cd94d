/** --exec from an image: the image stands at the original's own path, for an ordinary user, without root and without extraction. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import type { Ended } from '../cli/world.ts'
import { NEEDS_ROOT, type Node, nodeWith } from '../mount/world.ts'

/** Here any user may open /dev/fuse, as on a node of a cluster; the machine's own is as it was. */
const WITH_FUSE = [
  'unshare',
  '-m',
  '--propagation=private',
  'sh',
  '-ec',
  'mount -t tmpfs none /mnt; mknod /mnt/fuse c 10 229 -m 666; mount --bind /mnt/fuse /dev/fuse; exec "$@"',
  'sh',
]

const skip = NEEDS_ROOT || slowfsUnavailable() || false

async function nodeWithImage(
  context: TestContext,
): Promise<Node & { image: string; run(...args: string[]): Promise<Ended> }> {
  const node = await nodeWith(context)
  const image = `${node.prefix}.sqfs`
  writeFileSync(`${node.prefix}/bin/whereami`, '#!/bin/sh\necho "here $0"\n', { mode: 0o755 })
  execFileSync(node.launcher, ['--pack', '--format=squashfs', '--quiet', `--prefix=${node.prefix}`], { env: node.env })
  return { ...node, image, run: (...args) => node.exec(args, { inside: WITH_FUSE }) }
}

/** Tells what stands at the original's path: its file system, who owns it, and what is in the local folder. */
const tell = ({ prefix, local }: Node): string[] => [
  '--',
  'sh',
  '-c',
  `stat -f -c %T '${prefix}'; stat -c %u '${prefix}/bin'; cd ${local} && find . -name '*.sqfs' | wc -l; whereami`,
]

test('a command runs from a copy of the image at the original’s own path, and the copy is one file that goes with it', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  const { status, stdout, stderr } = await node.run('--exec=strict', ...tell(node))
  assert.equal(status, 0, stderr)
  assert.deepEqual(stdout.split('\n'), ['fuseblk', '54321', '1', `here ${node.prefix}/bin/whereami`, ''])
  assert.ok(await node.isEmpty())
})

test('with --in-place the image is read where it lies: nothing is copied, and the files of the original are not asked for', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  const slow = await mountSlow(node.prefix, node.prefix, { latencyMs: 0, validSeconds: 0 })
  try {
    const command = [
      '--',
      'sh',
      '-c',
      `touch ~/up; until [ -e ~/go ]; do sleep 0.1; done; stat -f -c %T '${node.prefix}'; ls '${node.local}'; whereami`,
    ]
    const { ended } = node.start(['--exec=strict', '--in-place', ...command], { inside: WITH_FUSE })
    for (let tries = 0; tries < 300 && !existsSync(`${node.env.HOME}/up`); tries++)
      await new Promise((done) => setTimeout(done, 50))
    await slow.reset()
    writeFileSync(`${node.env.HOME}/go`, '')
    const { status, stdout, stderr } = await ended
    assert.equal(status, 0, stderr)
    assert.deepEqual(stdout.split('\n'), ['fuseblk', `here ${node.prefix}/bin/whereami`, ''])
    const { serverCpuMs: _, ...counters } = await slow.counters()
    assert.deepEqual(
      Object.entries(counters).filter(([, count]) => count > 0),
      [],
    )
  } finally {
    await slow.unmount()
  }
  assert.deepEqual(readdirSync(node.local), [])
})

test('an image in a folder where others can put another file is not read in place, and a copy of it is used as ever', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  chmodSync(dirname(node.image), 0o777)
  const inPlace = await node.run('--exec=strict', '--in-place', ...tell(node))
  assert.equal(inPlace.status, 1)
  assert.match(
    inPlace.stderr,
    new RegExp(`${node.image} is not used: ${dirname(node.image)} .* so others can put another`),
  )
  const { stdout, stderr } = await node.run('--exec=strict', ...tell(node))
  assert.deepEqual(stdout.split('\n').slice(0, 3), ['fuseblk', '54321', '1'], stderr)
  assert.ok(await node.isEmpty())
})

test('an image that others can write to is not used: it is named, and the command runs from files', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  chmodSync(node.image, 0o666)
  const { status, stdout, stderr } = await node.run('--exec=strict', ...tell(node))
  assert.equal(status, 0, stderr)
  assert.match(stderr, new RegExp(`${node.image} is not used: other users can write to it`))
  assert.doesNotMatch(stdout, /fuseblk/)
  assert.ok(await node.isEmpty())
})

test('where /dev/fuse is closed to users, the command runs from files at the same place, and it is told why', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  const closed = [...WITH_FUSE.slice(0, -2), WITH_FUSE.at(-2)!.replace('666', '600'), 'sh']
  const { status, stdout, stderr } = await node.exec(['--exec=strict', ...tell(node)], {
    inside: closed,
  })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /The image .* is not used: .*fuse/)
  assert.doesNotMatch(stdout, /fuseblk/)
  assert.match(stdout, new RegExp(`^here ${node.prefix}/bin/whereami$`, 'm'))
  assert.ok(await node.isEmpty())
})

test('an image that is out of date is not used: the command sees the environment as it is now', {
  skip,
}, async (context) => {
  const node = await nodeWithImage(context)
  writeFileSync(`${node.prefix}/conda-meta/history`, 'another package')
  chmodSync(`${node.prefix}/conda-meta/history`, 0o644)
  const command = ['--', 'cat', `${node.prefix}/conda-meta/history`]
  const { stdout, stderr } = await node.run('--exec=strict', ...command)
  assert.equal(stdout, 'another package', stderr)
  assert.match(stderr, new RegExp(`${node.image} is out of date: .*--format=squashfs' renews it`))
  const inPlace = await node.run('--exec=strict', '--in-place', ...command)
  assert.equal(inPlace.status, 1)
  assert.match(inPlace.stderr, /has no image that can be read in place/)
  assert.ok(await node.isEmpty())
})

test('processes that outlive the command keep the image mounted, and the copy', { skip }, async (context) => {
  const node = await nodeWithImage(context)
  const later = `(until [ -e ~/go ]; do sleep 0.1; done; whereami > ~/said) > /dev/null 2>&1 &`
  const { status, stderr } = await node.run('--exec=strict', '--', 'sh', '-c', later)
  assert.equal(status, 0, stderr)
  await new Promise((done) => setTimeout(done, 500))
  assert.equal(node.copies().length, 1)
  writeFileSync(`${node.env.HOME}/go`, '')
  assert.ok(await node.isEmpty())
  assert.equal(
    execFileSync('cat', [`${node.env.HOME}/said`], { encoding: 'utf8' }),
    `here ${node.prefix}/bin/whereami\n`,
  )
})
