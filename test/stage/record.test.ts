import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ownIdentity } from '../../src/platform/process-identity.ts'
import { composePlace } from '../../src/stage/place.ts'
import { findStage, type StageRecord, writeRecord } from '../../src/stage/record.ts'
import { originalOf, temporaryFolder } from './small-archive.ts'

const recordOf = (prefix: string): StageRecord => ({
  version: 1,
  original: originalOf(80),
  prefix,
  archive: { path: '/net/env.tar.zst', created: '2026-01-01T00:00:00Z' },
  created: '2026-01-02T00:00:00Z',
  owner: ownIdentity(),
  readOnly: true,
  digests: { 'lib/caf\xe9': '00' },
})

async function stageIn(base: string, length = 100) {
  const { folder, prefix } = composePlace(base, 'env', length)
  mkdirSync(prefix, { recursive: true })
  await writeRecord(folder, recordOf(prefix))
  return { folder, prefix }
}

test('a stage is found by its staged prefix, even if that is longer than one file name can be', async (context) => {
  for (const length of [100, 700]) {
    const { folder, prefix } = await stageIn(temporaryFolder(context), length)
    assert.deepEqual(await findStage(prefix), { folder, record: recordOf(prefix) })
  }
})

test('only the staged prefix itself is taken for a stage, not the folders around or inside it', async (context) => {
  const base = temporaryFolder(context)
  const { folder, prefix } = await stageIn(base)
  mkdirSync(`${prefix}/envs/other`, { recursive: true })
  for (const path of [folder, `${prefix}/envs/other`, base, '/', `${folder}/other`])
    assert.equal(await findStage(path), undefined, path)
})

test('a folder without a marker file, or with a damaged one, is not taken for a stage', async (context) => {
  const { folder, prefix } = await stageIn(temporaryFolder(context))
  const marker = `${folder}/stage.json`
  for (const text of [readFileSync(marker, 'utf8').slice(0, -5), '{}', '{"version":2}']) {
    writeFileSync(marker, text)
    assert.equal(await findStage(prefix), undefined, text)
  }
  rmSync(marker)
  assert.equal(await findStage(prefix), undefined)
})

test('a marker file that belongs to another user does not make a stage', async (context) => {
  const { folder, prefix } = await stageIn(temporaryFolder(context))
  if (process.getuid!() !== 0) return context.skip('only root can make a file of another user')
  chownSync(`${folder}/stage.json`, 12345, 12345)
  assert.equal(await findStage(prefix), undefined)
})

test('only its user can read a marker file, and a later one replaces it', async (context) => {
  const { folder, prefix } = await stageIn(temporaryFolder(context))
  chmodSync(folder, 0o700)
  assert.equal(statSync(`${folder}/stage.json`).mode & 0o777, 0o600)
  await writeRecord(folder, { ...recordOf(prefix), archive: { created: 'later' } })
  assert.equal((await findStage(prefix))?.record.archive.created, 'later')
})
