/** An environment of every kind of file, and the check that a copy of it is whole. */
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { contentOf, differences, treeOf } from '../../end-to-end/tree.ts'

const SMALL = 240
/** More than two frames. */
const LARGE = 9_500_000

/** Some 300 things: texts with the prefix, hard links, symbolic links, a file of several frames, read-only folders, odd names. */
export function makeOriginal(prefix: string): void {
  const write = (path: string, data: string | Buffer, mode = 0o644) => {
    mkdirSync(dirname(`${prefix}/${path}`), { recursive: true })
    writeFileSync(`${prefix}/${path}`, data, { mode })
  }
  write('conda-meta/history', '==> 2026-01-01 00:00:00 <==\n')
  write('conda-meta/state', JSON.stringify({ env_vars: { WHERE: `${prefix}/share` } }))
  write('conda-meta/some-1.0-0.json', JSON.stringify({ name: 'some', files: ['lib/large', 'share/f/0'] }))
  write('bin/place', `#!/bin/sh\necho '${prefix}'\n`, 0o755)
  write('etc/conda/activate.d/some.sh', 'export SOME=1\n')
  write('etc/conda/deactivate.d/some.sh', 'unset SOME\n')
  for (let n = 0; n < SMALL; n++)
    write(`share/f/${n % 12 ? `d${n % 7}/` : ''}${n}`, n % 5 ? noise(50 + n * 20) : `from ${prefix}/lib number ${n}\n`)
  const large = noise(LARGE)
  for (const at of [100, 4_194_300, 4_200_000, 8_388_600, LARGE - 200]) large.write(`${prefix}/lib\0`, at)
  write('lib/large', large)
  write('share/empty', '')
  write('share/run', 'echo run\n', 0o751)
  for (const name of ['a', 'b', 'c/d']) {
    mkdirSync(dirname(`${prefix}/share/links/${name}`), { recursive: true })
    linkSync(`${prefix}/share/f/d1/1`, `${prefix}/share/links/${name}`)
  }
  symlinkSync('place', `${prefix}/bin/relative`)
  symlinkSync(`${prefix}/lib/large`, `${prefix}/lib/absolute`)
  symlinkSync('/nowhere/at/all', `${prefix}/lib/dangling`)
  mkdirSync(`${prefix}/share/nothing`)
  writeFileSync(Buffer.concat([Buffer.from(`${prefix}/share/n`), Buffer.from([0xe9, 0xff, 0x0a])]), 'odd')
  write('share/closed/file', 'read only\n', 0o444)
  chmodSync(`${prefix}/share/closed`, 0o555)
}

const noise = (size: number): Buffer => randomFillSync(Buffer.alloc(size))

/** Files that a copy has of its own, those of automatic staging, which it has not, and what the tests change in the original. */
const OWN = /conda-stage|^conda-meta\/(frozen|history) |^etc(\/conda(\/(de)?activate\.d)?)? /

/** Fails unless the copy has every file of the original, with its own prefix in place of the original's. */
export function assertWhole(prefix: string, copy: string): void {
  assert.equal(prefix.length, copy.length)
  const relocate = (text: string) => text.replaceAll(prefix, copy)
  const [original, staged] = [treeOf(prefix), treeOf(copy)]
  const wrong = differences(original, staged, relocate).filter((line) => !OWN.test(line))
  assert.deepEqual(wrong, [], copy)
  for (const [path, { type }] of original)
    if (type === 'file' && !OWN.test(`${path} `)) {
      const wanted = Buffer.from(relocate(contentOf(prefix, path).toString('latin1')), 'latin1')
      assert.ok(wanted.equals(contentOf(copy, path)), `${copy}: ${path} has other contents`)
    }
}

/** The environment is not the same any more: the archive is out of date. */
export function changeOriginal(prefix: string): void {
  const history = readFileSync(`${prefix}/conda-meta/history`, 'utf8')
  writeFileSync(`${prefix}/conda-meta/history`, `${history}# change\n`)
}
