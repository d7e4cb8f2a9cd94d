import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { asTime, utimesSeconds } from '../../src/model/times.ts'

const SECOND = 1_000_000_000n
const NOW = 1_795_000_000n * SECOND

test('a restored mtime keeps its second and its microsecond, so that no .pyc goes stale', (context) => {
  const folder = mkdtempSync(`${tmpdir()}/times-`)
  context.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/f`, '')
  const fractions = [0n, 1n, 100n, 999n, 1000n, 1001n, 123_456_000n, 123_456_789n, 500_000_000n, 999_999_000n]
  for (let n = 1n; n <= 300n; n++) fractions.push(SECOND - n, n * 3_331_777n)
  for (const base of [0n, SECOND, NOW, 4_000_000_000n * SECOND])
    for (const fraction of fractions) {
      const wanted = base + fraction
      const seconds = utimesSeconds(wanted)
      utimesSync(`${folder}/f`, asTime(seconds), asTime(seconds))
      const got = statSync(`${folder}/f`, { bigint: true }).mtimeNs
      assert.equal((got + 10n * SECOND) / 1000n, (wanted + 10n * SECOND) / 1000n, `${wanted} became ${got}`)
    }
})

test('an mtime before 1970 keeps its second', (context) => {
  const folder = mkdtempSync(`${tmpdir()}/times-`)
  context.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/f`, '')
  for (const fraction of [0n, 1n, 500_000_000n, 999_999_999n]) {
    const seconds = utimesSeconds(-5n * SECOND + fraction)
    utimesSync(`${folder}/f`, asTime(seconds), asTime(seconds))
    assert.equal(Math.floor(statSync(`${folder}/f`).mtimeMs / 1000), -5, String(fraction))
  }
})

test('a whole second comes back exactly', () => {
  assert.equal(utimesSeconds(NOW), 1_795_000_000)
  assert.equal(utimesSeconds(-2n * SECOND), -2)
})
