import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { type PackOptions, pack } from '../../src/index.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

const skip = slowfsUnavailable() ?? false
const PACKAGES = 20
const FOLDERS = 5
const FILES = 10
/** Files that no record lists. */
const OWN = 7
/** Operations that the freshness check may cost; it runs before the lock is taken and again under it. */
const CHECK = 40

/** Files of package N: `lib/pN/fM/file-K`, all recorded. */
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
    // More than the check's own look-ups.
    for (let link = 0; link < 3; link++) symlinkSync('f0', join(prefix, `lib/p${number}/link-${link}`))
    put(recordOf(number), JSON.stringify({ files: filesOf(number) }))
  }
  for (let number = 0; number < OWN; number++) put(`share/mine-${number}`, 'not recorded')
}

/** Replaces the file by another one, as package managers do. */
function replace(path: string): void {
  writeFileSync(`${path}.new`, `${readFileSync(path, 'utf8')} `)
  renameSync(`${path}.new`, path)
}

interface Changed {
  prefix: string
  options: PackOptions
  /** Paths of the files that have changed since they were packed. */
  files: string[]
}

/** A packed environment in which one package was reinstalled: the files in one folder, the record, and the history. */
async function changed(context: TestContext): Promise<Changed> {
  const root = await temporaryFolder(context)
  const prefix = `${root}/env`
  environment(prefix)
  const options = { prefix, output: `${root}/archive.tar.zst`, env: { HOME: root }, cwd: '/' }
  await pack(options)
  const files = [...filesOf(3).slice(0, FILES), recordOf(3), 'conda-meta/history'].map((path) => join(prefix, path))
  for (const path of files) replace(path)
  return { prefix, options, files }
}

/** Operations on the original that a pack costs. */
async function counted({ prefix, options }: Changed, check: 'quick' | 'full') {
  const mount = await mountSlow(prefix, prefix, { latencyMs: 1, bandwidthMb: 0, validSeconds: 3600 })
  try {
    assert.equal((await pack({ ...options, check })).fresh, false)
    return await mount.counters()
  } finally {
    await mount.unmount()
  }
}

const FOLDERS_IN_ALL = 4 + PACKAGES * (1 + FOLDERS)

test('a repack opens changed files, lists changed folders, and does not look at recorded files in unchanged folders', {
  skip,
}, async (context) => {
  const place = await changed(context)
  const { open, opendir, lookup, readBytes } = await counted(place, 'quick')
  // The changed record is read for its list, and again to be packed.
  assert.equal(open, place.files.length + 1)
  assert.equal(
    readBytes,
    place.files.reduce((sum, path) => sum + statSync(path).size, 0),
  )
  assert.equal(opendir, 2)
  // Once each: folders except the prefix, files in conda-meta, files of the changed package, and files of no package.
  const looked = FOLDERS_IN_ALL - 1 + (PACKAGES + 1) + FOLDERS * FILES + OWN
  assert.ok(lookup! >= looked && lookup! <= looked + CHECK, `${lookup} look-ups, ${looked} of them for this`)
})

test('a repack after the full check lists every folder twice: once to find the change and once to pack', {
  skip,
}, async (context) => {
  const place = await changed(context)
  const { open, opendir } = await counted(place, 'full')
  assert.equal(opendir, 2 * FOLDERS_IN_ALL)
  assert.equal(open, place.files.length + PACKAGES)
})
