import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { listing, succeed, type World, world } from '../cli/world.ts'
import { configure, place, statusOf } from './place.ts'

test('local-folders are tried in order before the built-in folders, and --path beats them', async (context) => {
  const at = place(context)
  const [first, second] = [`${at.root}/first`, `${at.root}/second`]
  writeFileSync(at.siteFile, `local-folders:\n  - ${first}\n  - ${second}\n`)
  mkdirSync(second)
  assert.deepEqual((await statusOf(at)).local, { path: second, source: 'local-folders' })
  mkdirSync(first)
  assert.equal((await statusOf(at)).local.path, first)
  mkdirSync(`${at.root}/named`)
  assert.equal((await statusOf(at, [`--path=${at.root}/named`])).local.path, `${at.root}/named`)
  const variable = { env: { CONDA_STAGE_PATH: `${at.root}/named` } }
  assert.equal((await statusOf(at, [], variable)).local.path, `${at.root}/named`)
})

test('{user} and {job} are replaced in local-folders, and a folder with {job} counts only in jobs', async (context) => {
  const at = place(context)
  for (const folder of ['nvme/7', 'scratch/me']) mkdirSync(`${at.root}/${folder}`, { recursive: true })
  writeFileSync(at.siteFile, `local-folders:\n  - ${at.root}/nvme/{job}\n  - ${at.root}/scratch/{user}\n`)
  assert.equal((await statusOf(at)).local.path, `${at.root}/scratch/me`)
  assert.equal((await statusOf(at, [], { env: { SLURM_JOB_ID: '7' } })).local.path, `${at.root}/nvme/7`)
  assert.equal((await statusOf(at, [], { env: { SLURM_JOB_ID: '8' } })).local.path, `${at.root}/scratch/me`)
})

test('with local-folders-only no other folder is tried, and the error says what is wrong with each', async (context) => {
  const at = place(context)
  writeFileSync(at.siteFile, `local-folders:\n  - /nvme/{job}\n  - ${at.root}/none\nlocal-folders-only: true\n`)
  const { problem } = (await statusOf(at)).local
  assert.match(
    problem!,
    /^No suitable folder on local disk: \/nvme\/\{job\} .*is only for jobs, and this is not a job; .*\/none .*does not exist$/,
  )
})

test('new archives go to archive-folder, and an archive beside the environment is still found', async (context) => {
  const place = await world(context)
  const config = configure(place, `archive-folder: ${place.root}/archives/{user}\n`)
  const pack = ['--pack', `--prefix=${place.prefix}`]
  await succeed(place, pack)
  assert.match((await succeed(place, pack, config)).stderr, /is up to date: .*envs\/myjupyter\.tar\.zst/)
  const { stderr } = await succeed(place, [...pack, '--force'], config)
  assert.match(stderr, new RegExp(`into ${place.root}/archives/me/myjupyter-[0-9a-f]{12}\\.tar\\.zst`))
  assert.equal(statSync(`${place.root}/archives/me`).mode & 0o777, 0o700)
})

const DAYS = (n: number) => new Date(Date.now() - n * 86_400_000)

/** Makes archives of other environments in the cache folder, unused for so many days. */
function aged(place: World, template: string, days: readonly number[]): string[] {
  const folder = `${place.env.XDG_CACHE_HOME}/conda-stage`
  return days.map((n) => {
    const path = `${folder}/other-${String(n).padStart(12, '0')}.tar.zst`
    copyFileSync(template, path)
    utimesSync(path, DAYS(n), DAYS(n))
    return path
  })
}

test('packing removes archives that nobody has used for long from the cache folder, and no other files', async (context) => {
  const place = await world(context)
  const { folder, archive } = await packed(place)
  const [old, young] = aged(place, archive, [91, 89]) as [string, string]
  // Written long ago, used yesterday.
  const [used] = aged(place, archive, [400]) as [string]
  utimesSync(used, DAYS(1), DAYS(400))
  const kept = [`${folder}/other.tar.zst`, `${folder}/notes-0123456789ab.txt`, `${folder}/mine-0123456789ab.tar.zst`]
  copyFileSync(archive, kept[0]!)
  for (const path of kept.slice(1)) writeFileSync(path, 'mine')
  for (const path of kept) utimesSync(path, DAYS(900), DAYS(900))
  symlinkSync(archive, `${folder}/link-0123456789ab.tar.zst`)
  const { stderr } = await succeed(place, repack(place))
  assert.match(stderr, new RegExp(`INFO: Removed an archive that had not been used for a long time: ${old}\n`))
  assert.equal(stderr.match(/Removed an archive/g)!.length, 1)
  const left = [...kept, young, used, archive, `${folder}/link-0123456789ab.tar.zst`]
  assert.deepEqual(readdirSync(folder).sort(), left.map((path) => path.slice(folder.length + 1)).sort())
})

test('retention-days and retention-archives limit the archives that stay; one used today always stays', async (context) => {
  const place = await world(context)
  const { archive } = await packed(place)
  const [today, two, three, four] = aged(place, archive, [0, 2, 3, 4]) as [string, string, string, string]
  const there = () => [today, two, three, four].map(existsSync)
  await succeed(place, repack(place), configure(place, 'retention-archives: 3\n'))
  assert.deepEqual(there(), [true, true, false, false])
  await succeed(place, repack(place), configure(place, 'retention-archives: 1\n'))
  assert.deepEqual(there(), [true, false, false, false])
  aged(place, archive, [2000])
  const unlimited = configure(place, 'retention-days: unlimited\n')
  assert.doesNotMatch((await succeed(place, repack(place), unlimited)).stderr, /Removed/)
  assert.match((await succeed(place, repack(place), configure(place, 'retention-days: 1999\n'))).stderr, /Removed/)
})

test('archives beside environments are never removed', async (context) => {
  const place = await world(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const old = `${dirname(place.prefix)}/other-0123456789ab.tar.zst`
  copyFileSync(place.archive, old)
  utimesSync(old, DAYS(900), DAYS(900))
  const before = listing(old)
  await succeed(place, ['--pack', '--force', `--prefix=${place.prefix}`])
  assert.deepEqual(listing(old), before)
})

const repack = ({ prefix }: World) => ['--pack', '--force', `--prefix=${prefix}`]

/** Packs into the cache folder, because a foreign file has the archive's name beside the environment. */
async function packed(place: World): Promise<{ folder: string; archive: string }> {
  writeFileSync(place.archive, 'not an archive')
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const folder = `${place.env.XDG_CACHE_HOME}/conda-stage`
  return { folder, archive: `${folder}/${readdirSync(folder)[0]}` }
}
