import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { pack } from '../../src/index.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

const skip = slowfsUnavailable() ?? false
const PACKAGES = 20
const FOLDERS = 5
const FILES = 10
/** Files that no record lists. */
const OWN = 7
/** What recognising a fresh archive may take; it is asked before and under the lock. */
const CHECK = 40

/** Of package N: `lib/pN/fM/file-K`, all of them recorded. */
const filesOf = (number: number): string[] =>
  Array.from({ length: FOLDERS * FILES }, (_, at) => `lib/p${number}/f${Math.floor(at / FILES)}/file-${at % FILES}`)
const recordOf = (number: number): string => `conda-meta/p${number}-1-0.json`

function environment(prefix: string): void {
  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(prefix, path)), { recursive: true })
    writeFileSync(join(prefix, path), content)
  }
  put('conda-meta/history', '')
  for (let number = 0; number < PACKAGES; number++) {
    for (const path of filesOf(number)) put(path, `${path}\n`)
    symlinkSync('f0', join(prefix, `lib/p${number}/link`))
    put(recordOf(number), JSON.stringify({ files: filesOf(number) }))
  }
  for (let number = 0; number < OWN; number++) put(`share/mine-${number}`, 'not recorded')
}

/** By another file, as package managers do. */
function replace(path: string): void {
  writeFileSync(`${path}.new`, `${readFileSync(path, 'utf8')} `)
  renameSync(`${path}.new`, path)
}

test('a repack opens what changed, lists the folders in which something changed, and looks at no recorded file of the others', {
  skip,
}, async (context) => {
  const root = await temporaryFolder(context)
  const prefix = `${root}/env`
  environment(prefix)
  const options = { prefix, output: `${root}/archive.tar.zst`, env: { HOME: root }, cwd: '/' }
  await pack(options)
  // All files of one folder of one package.
  const changed = filesOf(3).slice(0, FILES)
  for (const path of [...changed, recordOf(3), 'conda-meta/history']) replace(join(prefix, path))
  const mount = await mountSlow(prefix, prefix, { latencyMs: 1, bandwidthMb: 0, validSeconds: 3600 })
  try {
    const { fresh } = await pack(options)
    assert.equal(fresh, false)
    const { open, opendir, lookup, readBytes } = await mount.counters()
    // The record that changed is read for what it lists, and again to be packed.
    const read = [...changed, recordOf(3), 'conda-meta/history'].map((path) => join(prefix, path))
    assert.equal(open, read.length + 1)
    assert.equal(
      readBytes,
      read.reduce((sum, path) => sum + statSync(path).size, 0),
    )
    assert.equal(opendir, 2)
    // Once each: folders, what is in conda-meta, the files of the package that changed, and those of no package.
    const folders = 3 + PACKAGES * (1 + FOLDERS)
    const looked = folders + (PACKAGES + 1) + FOLDERS * FILES + OWN
    assert.ok(lookup! >= looked && lookup! <= looked + CHECK, `${lookup} look-ups, ${looked} of them for this`)
  } finally {
    await mount.unmount()
  }
})
