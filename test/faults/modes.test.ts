/** Permission bits by which others could act as the user are never in a copy, whatever the original and the session have. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { listing, succeed, temporaryFolder } from '../cli/world.ts'

/** What the original has, and what a read-only and a writable copy have of it. A folder ends with a slash. */
const MODES: Record<string, [original: number, readOnly: number, writable: number]> = {
  'bin/setuid': [0o4755, 0o555, 0o755],
  'bin/setgid': [0o2755, 0o555, 0o755],
  'bin/both': [0o6711, 0o511, 0o711],
  'bin/large': [0o6777, 0o555, 0o775],
  'lib/open': [0o666, 0o444, 0o664],
  'lib/mine': [0o600, 0o400, 0o600],
  'open/': [0o777, 0o555, 0o775],
  // A folder's setgid bit only says which group new files belong to.
  'shared/': [0o3777, 0o3555, 0o3775],
  'setuid/': [0o4755, 0o555, 0o755],
}

for (const umask of ['000', '077', '777']) {
  test(`under umask ${umask} no copy has setuid bits or things that others can write to, and all other bits are the original's`, async (context) => {
    const root = temporaryFolder(context)
    const prefix = `${root}/home/me/miniconda3/envs/my`
    for (const path of [`${prefix}/conda-meta`, `${prefix}/bin`, `${prefix}/lib`, `${root}/local`])
      mkdirSync(path, { recursive: true })
    writeFileSync(`${prefix}/conda-meta/history`, '')
    for (const [path, [mode]] of Object.entries(MODES)) {
      if (path.endsWith('/')) mkdirSync(`${prefix}/${path}`)
      else writeFileSync(`${prefix}/${path}`, path === 'bin/large' ? Buffer.alloc(9_000_000, 'x') : `${prefix}\n`)
      chmodSync(`${prefix}/${path}`, mode)
    }
    const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
    const place = { root, prefix, name: 'my', archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
    const inside = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh']
    const before = listing(prefix)
    // In one pass with the archive, from the archive, and writable.
    for (const kind of ['--private', '--private', '--writable']) {
      const { stdout } = await succeed(place, [`--prefix=${prefix}`, `--path=${place.local}`, kind], { inside })
      const copy = stdout.trimEnd()
      const octal = (path: string) => (statSync(`${copy}/${path}`).mode & 0o7777).toString(8)
      for (const [path, [, readOnly, writable]] of Object.entries(MODES))
        assert.equal(octal(path), (kind === '--writable' ? writable : readOnly).toString(8), `${kind} ${path}`)
      assert.equal(statSync(dirname(copy)).mode & 0o7777, 0o700)
      await succeed(place, ['--verify', `--prefix=${copy}`], { inside })
    }
    assert.equal(statSync(place.archive).mode & 0o622, 0o600)
    assert.deepEqual(listing(prefix), before)
  })
}
