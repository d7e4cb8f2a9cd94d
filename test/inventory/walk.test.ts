import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, link, lstat, mkdir, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { exclusions } from '../../src/inventory/exclusions.ts'
import { type ListOptions, listTree } from '../../src/inventory/list.ts'
import { inventory } from '../../src/inventory/walk.ts'
import { bytePathOf, fsPath } from '../../src/model/byte-path.ts'
import { asOrdinaryUser } from '../platform/as-ordinary-user.ts'
import { makePrefix, NONE, put } from './prefix.ts'

const walk = (prefix: string, isExcluded: (path: string) => boolean = NONE) => inventory({ prefix }, { isExcluded })

test('every file, folder and symbolic link is listed with the facts from lstat, sorted by path', async (t) => {
  const prefix = await makePrefix(t, { 'lib/readonly': 'x', 'lib-extra': 'y' })
  await chmod(join(prefix, 'lib/readonly'), 0o444)
  await chmod(join(prefix, 'bin/python3'), 0o6755)
  await utimes(join(prefix, 'lib/readonly'), 0, 1234.5)
  const entries = await walk(prefix)
  const paths = entries.map((entry) => entry.path)
  assert.deepEqual(paths, [...paths].sort())
  assert.deepEqual(entries[0]?.path, '')
  const names = execFileSync('find', [prefix, '-printf', '%P\n'], { encoding: 'utf8' }).trimEnd().split('\n')
  assert.deepEqual(paths, names.sort())
  const entry = entries.find((one) => one.path === 'lib/readonly')
  assert.deepEqual(entry, { type: 'file', path: 'lib/readonly', mode: 0o444, mtimeNs: 1234500000000n, size: 1 })
  assert.equal(entries.find((one) => one.path === 'bin/python3')?.mode, 0o6755)
})

test('absolute, dangling and cyclic symbolic links are listed as they are and never followed', async (t) => {
  const prefix = await makePrefix(t)
  const links = { absolute: join(prefix, 'bin'), dangling: 'nowhere', cycle: 'cycle', up: '..', 'r\u00e9': 'caf\u00e9' }
  for (const [name, target] of Object.entries(links)) await symlink(target, join(prefix, name))
  const entries = await walk(prefix)
  for (const [name, target] of Object.entries(links)) {
    const entry = entries.find((one) => one.path === bytePathOf(name))
    assert.ok(entry?.type === 'symlink', name)
    assert.equal(entry.target, bytePathOf(target))
  }
})

test('names of any bytes are listed: newlines, spaces, a leading dash, bytes that are not UTF-8', async (t) => {
  const prefix = await makePrefix(t)
  const names = ['with\nnewline', ' spaces ', '-rf', 'latin\xe9', '\xff\xfe', bytePathOf('snowman \u2603')]
  await mkdir(fsPath(prefix, 'dir\xe9'))
  for (const name of names) await writeFile(fsPath(prefix, `dir\xe9/${name}`), name, 'latin1')
  const entries = await walk(prefix)
  const found = entries.filter((entry) => entry.path.startsWith('dir\xe9/')).map((entry) => entry.path.slice(5))
  assert.deepEqual(found, names.sort())
})

test("further names of a file inside the environment are hard links of the first name; names outside don't count", async (t) => {
  const prefix = await makePrefix(t, { 'lib/b': 'content' })
  await link(join(prefix, 'lib/b'), join(prefix, 'lib/c'))
  await link(join(prefix, 'lib/b'), join(prefix, 'bin/a'))
  await put(join(prefix, '..'), 'pkgs/file', 'cached')
  await link(join(prefix, '../pkgs/file'), join(prefix, 'lib/cached'))
  const entries = await walk(prefix)
  const typeOf = (path: string) => entries.find((entry) => entry.path === path)
  assert.equal(typeOf('bin/a')?.type, 'file')
  const { mode, mtimeNs } = await lstat(join(prefix, 'lib/b'), { bigint: true })
  for (const path of ['lib/b', 'lib/c']) {
    assert.deepEqual(typeOf(path), { type: 'hardlink', path, mode: Number(mode & 0o7777n), mtimeNs, target: 'bin/a' })
  }
  assert.equal(typeOf('lib/cached')?.type, 'file')
})

test('sockets, FIFOs and devices are left out and reported', async (t) => {
  const prefix = await makePrefix(t)
  execFileSync('mkfifo', [join(prefix, 'bin/fifo')])
  const server = createServer().listen(join(prefix, 'socket'))
  t.after(() => server.close())
  const { entries, skipped } = await listTree({ prefix }, { isExcluded: NONE })
  assert.deepEqual(skipped, [
    { path: 'bin/fifo', reason: 'is a FIFO' },
    { path: 'socket', reason: 'is a socket' },
  ])
  assert.ok(!entries.some((entry) => ['bin/fifo', 'socket'].includes(entry.path)))
})

test('an environment named by a symbolic link is listed like the one that it leads to', async (t) => {
  const prefix = await makePrefix(t)
  await symlink(prefix, `${prefix}-link`)
  assert.deepEqual(await walk(`${prefix}-link`), await walk(prefix))
})

test('locks, our own archives, and the package cache and environments of a base environment are left out', async (t) => {
  const files = {
    'pkgs/p/file': '',
    'envs/other/bin/python': '',
    'lib/pkgs/kept': '',
    'conda-meta/conda-meta.lock': '',
    '.guard': '',
    '.conda_lock-17/x': '',
    'cache/env.tar.zst': '',
    'cache/.env.tar.zst.lock/x': '',
    'cache/.tmp.1234': '',
    'cache/env.tar.zst.mine': '',
    'lib/.tmp.kept': '',
  }
  const prefix = await makePrefix(t, files)
  const listed = async (isBase: boolean, archives: string[]) => {
    const isExcluded = exclusions({ prefix, real: prefix, isBase }, archives)
    const entries = await walk(prefix, isExcluded)
    return Object.keys(files).filter((path) => entries.some((entry) => entry.path === path))
  }
  const kept = ['lib/pkgs/kept', 'cache/env.tar.zst.mine', 'lib/.tmp.kept']
  assert.deepEqual(await listed(true, [join(prefix, 'cache/env.tar.zst')]), kept)
  const archive = ['cache/env.tar.zst', 'cache/.env.tar.zst.lock/x', 'cache/.tmp.1234']
  assert.deepEqual((await listed(true, [])).sort(), [...kept, ...archive].sort())
  assert.deepEqual(
    (await listed(false, [])).sort(),
    ['pkgs/p/file', 'envs/other/bin/python', ...kept, ...archive].sort(),
  )
})

test("files get their package and placeholder from conda's records, and recorded files that are gone are reported", async (t) => {
  const prefix = await makePrefix(t)
  const placeholder = { text: '/placeholder', mode: 'binary' as const }
  const records = new Map([
    ['lib/libgreet.so', { package: 'greet-1.0-0', placeholder }],
    ['bin/deleted', { package: 'greet-1.0-0' }],
    ['lib/__pycache__/gone.cpython-311.pyc', { package: 'greet-1.0-0' }],
    ['pkgs/x', { package: 'greet-1.0-0' }],
  ])
  const options: ListOptions = { isExcluded: (path) => path === 'pkgs', records }
  assert.deepEqual((await listTree({ prefix }, options)).missing, ['bin/deleted'])
  const entries = await inventory({ prefix }, options)
  const entry = entries.find((one) => one.path === 'lib/libgreet.so')
  assert.ok(entry?.type === 'file')
  assert.equal(entry.package, 'greet-1.0-0')
  assert.deepEqual(entry.placeholder, placeholder)
})

test('all of 10,000 files are listed, many more than are looked at at once', async (t) => {
  const prefix = await makePrefix(t)
  for (let folder = 0; folder < 20; folder++) {
    await mkdir(join(prefix, `share/many${folder}`))
    await Promise.all(Array.from({ length: 500 }, (_, n) => writeFile(join(prefix, `share/many${folder}/${n}`), '')))
  }
  const entries = await walk(prefix)
  assert.equal(entries.filter((entry) => entry.path.includes('/many') && entry.type === 'file').length, 10_000)
})

test('a folder without read permission is an error that names it', async (t) => {
  const prefix = await makePrefix(t, { 'share/secret/file': '' })
  // An ordinary user runs this, so the whole path to the prefix must be open.
  await chmod(join(prefix, '..'), 0o755)
  await chmod(join(prefix, 'share/secret'), 0o000)
  const module = new URL('../../src/inventory/walk.ts', import.meta.url)
  const code = `const { inventory } = await import('${module}')
    const prefix = process.argv[1]
    const error = await inventory({ prefix }, { isExcluded: () => false }).catch((error) => error)
    console.log(JSON.stringify({ ...error, message: error.message }))`
  const error = JSON.parse(asOrdinaryUser(code, [prefix]))
  await chmod(join(prefix, 'share/secret'), 0o755)
  assert.equal(error.code, 'UNREADABLE')
  assert.equal(error.path, join(prefix, 'share/secret'))
  assert.match(error.message, /share\/secret can't be read: permission denied$/)
  assert.match(error.hint, /permission/)
})

test('a file that vanishes while its environment is listed is an error, unless it is byte code or temporary', async (t) => {
  const vanishing = async (path: string) => {
    const prefix = await makePrefix(t, { [path]: '' })
    let gone = false
    const removeOnce = (found: string) => {
      // Exclusions are asked about each name between listing and look-up.
      if (!gone && found === path) execFileSync('rm', [join(prefix, path)])
      gone ||= found === path
      return false
    }
    return walk(prefix, removeOnce)
  }
  await assert.rejects(vanishing('bin/tool'), (error: Error) => {
    assert.match(error.message, /bin\/tool vanished while/)
    assert.equal((error as { code?: string }).code, 'CHANGED')
    return true
  })
  for (const path of ['lib/__pycache__/x.cpython-311.pyc.140', 'lib/.nfs000123', 'bin/tmp12ab', 'bin/tool.tmp']) {
    const entries = await vanishing(path)
    assert.ok(!entries.some((entry) => entry.path === path))
  }
})

test('cancelling ends a walk', async (t) => {
  const prefix = await makePrefix(t)
  const options = { isExcluded: NONE, signal: AbortSignal.abort('SIGINT') }
  await assert.rejects(inventory({ prefix }, options), { code: 'CANCELLED' })
})

test("a file that is added right after its folder was listed always changes the folder's mtime", async (t) => {
  const prefix = await makePrefix(t)
  for (let round = 0; round < 20; round++) {
    const file = join(prefix, 'bin/late')
    await writeFile(file, '')
    const entries = await walk(prefix)
    await rm(file)
    const { mtimeNs } = await lstat(join(prefix, 'bin'), { bigint: true })
    assert.notEqual(entries.find((entry) => entry.path === 'bin')?.mtimeNs, mtimeNs)
    await unlink(file).catch(() => {})
  }
})
