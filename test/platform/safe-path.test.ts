import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { isPrivateGroup } from '../../src/platform/private-group.ts'
import { ALICE, MALLORY, moduleAmong, moduleInNamespace, moduleOf, NEEDS_ROOT, shellOf } from './other-users.ts'

const LAB = 54_999

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(`${tmpdir()}/safe-path-`)
  context.after(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o755)
  return folder
}

/** Mallory, who is in the group LAB, puts things of hers in the place of whatever she can on the way. */
const EXCHANGE = `cd "$1"; for level in scratch/alice scratch links/a links open/b open a .; do
  if mv -T "$level" "$level.was" 2>/dev/null; then mkdir -p "$level/alice"; fi; done`

/** How root makes the folder `scratch/alice` of Alice, and what is said about \`path\` if that is not safe. */
const SCENES: Record<string, { make: string; path?: string; attack?: string; says?: RegExp }> = {
  "a root's folder, with a folder of Alice": { make: ':' },
  'a folder that is open to all': { make: 'chmod 777 scratch', says: /scratch is writable for everybody/ },
  'a sticky folder that is open to all': { make: 'chmod 1777 scratch' },
  'a folder that is open to a group': {
    make: `chgrp ${LAB} scratch; chmod 775 scratch`,
    says: /scratch is writable for its group 54999/,
  },
  'a sticky folder that is open to a group': { make: `chgrp ${LAB} scratch; chmod 1775 scratch` },
  'a folder of Mallory': { make: `chown ${MALLORY} scratch`, says: /scratch belongs to another user/ },
  'a sticky folder of Mallory': { make: `chown ${MALLORY} scratch; chmod 1777 scratch`, says: /belongs/ },
  'a folder that is open to those on its access list': {
    make: `setfacl -m u:${MALLORY}:rwx scratch`,
    says: /scratch is writable for its group 0|scratch is writable for those on its access list/,
  },
  "a folder that is open to its owner's group, and to those on its access list": {
    make: `chown ${ALICE}:${ALICE} scratch; setfacl -m u:${MALLORY}:rwx scratch`,
    says: /scratch is writable for/,
  },
  'a closed folder in an open one': {
    make: 'mkdir -m 777 open; mv scratch open',
    path: 'open/scratch/alice',
    attack: 'cd "$1/open"; mv scratch was; mkdir -p scratch/alice',
    says: /open is writable for everybody/,
  },
  'a link of Alice in a sticky folder': {
    make: `mkdir -m 1777 links; ln -s ../scratch/alice links/a; chown -h ${ALICE} links/a`,
    path: 'links/a',
  },
  'a link of Mallory in a sticky folder': {
    make: `mkdir -m 1777 links; ln -s ../scratch/alice links/a; chown -h ${MALLORY} links/a`,
    path: 'links/a',
    says: /links\/a belongs to another user/,
  },
  "a link of Mallory's in a folder of root, which she can't replace": {
    make: `mkdir links; ln -s ../scratch/alice links/a; chown -h ${MALLORY} links/a`,
    path: 'links/a',
  },
  'a link in an open folder': {
    make: 'mkdir -m 777 links; ln -s ../scratch/alice links/a',
    path: 'links/a',
    says: /links is writable for everybody/,
  },
  'a link through an open folder and back': {
    make: 'mkdir -m 777 open; mkdir open/inner; ln -s open/inner/../../scratch/alice a',
    path: 'a',
    attack: 'cd "$1/open"; mkdir -p hers/inner scratch/alice; mv inner was; ln -s hers/inner inner',
    says: /open is writable for everybody/,
  },
  'a link to a link, by absolute paths': {
    make: 'mkdir -m 777 open; ln -s "$PWD/scratch/alice" open/b; ln -s "$PWD/open/b" a',
    path: 'a',
    says: /open is writable for everybody/,
  },
}

for (const [name, { make, path = 'scratch/alice', attack = EXCHANGE, says }] of Object.entries(SCENES)) {
  const promise = says ? 'that another user can exchange is refused' : 'that no other user can exchange is used'
  test(`a local folder ${promise}: ${name}`, { skip: NEEDS_ROOT }, (context) => {
    const base = temporaryFolder(context)
    const begin = `umask 022; cd "$1"; mkdir -p scratch/alice; chmod 700 scratch/alice; chown ${ALICE}:${ALICE} scratch/alice;`
    const { status, stderr } = spawnSync('sh', ['-euc', begin + make, 'sh', base], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const { exposed } = JSON.parse(moduleOf(ALICE, FOLLOW, `${base}/${path}`))
    if (says) assert.match(`${exposed?.path} ${exposed?.what}`, says)
    else assert.equal(exposed, undefined)
    const inode = () => statSync(`${base}/${path}`, { throwIfNoEntry: false })?.ino
    const before = inode()
    shellOf({ uid: MALLORY, groups: [LAB] }, attack, base)
    assert.equal(inode() === before, !says, 'what the attack came to')
  })
}

test("a local folder that a user's own group may write (umask 002) is used, unless an access list lets others write", {
  skip: NEEDS_ROOT,
}, (context) => {
  const base = temporaryFolder(context)
  const script = `umask 002; cd "$1"; mkdir -p open/local listed/local; setfacl -m u:${MALLORY}:rwx listed; chown -R ${ALICE}:${ALICE} open listed`
  assert.equal(spawnSync('sh', ['-euc', script, 'sh', base]).status, 0)
  const accounts = {
    passwd: `alice:x:${ALICE}:${ALICE}::/:\nmallory:x:${MALLORY}:${MALLORY}::/:\n`,
    group: `alice:x:${ALICE}:\nmallory:x:${MALLORY}:\n`,
  }
  const exposed = (path: string, more = '') =>
    JSON.parse(moduleAmong({ ...accounts, group: more + accounts.group }, ALICE, FOLLOW, path)).exposed
  assert.equal(exposed(`${base}/open/local`), undefined)
  assert.match(
    exposed(`${base}/open/local`, `alice:x:${ALICE}:mallory\n`).what,
    /its group 54321, which may have other/,
  )
  assert.match(exposed(`${base}/listed/local`).what, /those on its access list \(mode 0775\)/)
})

test('a group is private only if it has the name of its user, and no other member is known', async (context) => {
  const folder = temporaryFolder(context)
  const verdicts = new Map<string, boolean>()
  const judge = async (name: string, group: string, { passwd = '', gid = 1000 } = {}) => {
    writeFileSync(`${folder}/passwd`, `root:x:0:0::/:\nsync:x:4:0::/:\nalice:x:1000:1000::/:\n${passwd}`)
    writeFileSync(`${folder}/group`, group)
    verdicts.set(name, await isPrivateGroup(gid, 1000, { passwd: `${folder}/passwd`, group: `${folder}/group` }))
  }
  await judge('her own', 'alice:x:1000:\n')
  await judge('her own, which lists her and root', 'alice:x:1000:alice,root\n')
  await judge('her own, with another number', 'alice:x:77:\n', { gid: 77 })
  await judge('with a guest', 'alice:x:1000:mallory\n')
  await judge('the first group of a second user', 'alice:x:1000:\n', { passwd: 'mallory:x:1001:1000::/:\n' })
  await judge('a group of all users', 'users:x:1000:\n')
  await judge('of which only she is listed', 'lab:x:1000:alice\n')
  await judge('unknown to this node', 'alice:x:4294960000:\n', { gid: 4294960001 })
  await judge("root's", 'root:x:0:\n', { gid: 0 })
  await judge("root's, with a guest", 'root:x:0:mallory\n', { gid: 0 })
  assert.deepEqual(
    [...verdicts].filter(([, isPrivate]) => isPrivate).map(([name]) => name),
    ['her own', 'her own, which lists her and root', 'her own, with another number', "root's"],
  )
  // Accounts that are in no file: the directory service is asked.
  assert.equal(await isPrivateGroup(0, 0, { passwd: `${folder}/none`, group: `${folder}/none` }), true)
})

test('in a container of an ordinary user, where root has no number, /tmp and a folder of that user are used', {
  skip: NEEDS_ROOT,
}, (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/alice`, { mode: 0o700 })
  chownSync(`${base}/alice`, ALICE, ALICE)
  for (const path of [`${base}/alice`, '/tmp']) {
    const { exposed, owner } = JSON.parse(
      moduleInNamespace(ALICE, FOLLOW.replace(module('safe-path'), "'/mnt/src/platform/safe-path.ts'"), path),
    )
    assert.deepEqual([exposed, owner], [undefined, 65_534])
  }
})

const module = (name: string) => JSON.stringify(new URL(`../../src/platform/${name}.ts`, import.meta.url).href)
const FOLLOW = `
  const { followPath } = await import(${module('safe-path')})
  const { statSync } = await import('node:fs')
  const owner = statSync('/tmp').uid
  console.log(JSON.stringify({ ...await followPath(process.argv[1], process.getuid()), owner }))`
