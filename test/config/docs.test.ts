import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/parse.ts'
import { keyOf, SETTING_NAMES, settingOf } from '../../src/config/settings.ts'

const read = (page: string): string => readFileSync(join(import.meta.dirname, `../../docs/${page}.md`), 'utf8')
const text = read('configuration')

test('docs/configuration.md lists exactly the settings that exist, with their values and defaults', () => {
  const rows = [...text.matchAll(/^\| `([a-z-]+)` +\| (.*?) +\| (.*?) +\| .* \|$/gm)].map(
    ([, key, takes, builtIn]) => ({
      key,
      takes: takes!.replaceAll('`', ''),
      builtIn: builtIn!.replaceAll('`', ''),
    }),
  )
  assert.deepEqual(rows.map(({ key }) => key).sort(), SETTING_NAMES.map(keyOf).sort())
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name)
    const { takes, builtIn } = rows.find(({ key }) => key === keyOf(name))!
    if (setting.kind === 'choice') assert.equal(takes, setting.of.join(', '), name)
    if (setting.kind === 'number') assert.ok(takes.startsWith(`${setting.from} to ${setting.to}`), name)
    const value = setting.default
    if (typeof value === 'number') assert.equal(builtIn, Number.isFinite(value) ? String(value) : 'unlimited', name)
    else if (value !== undefined && !Array.isArray(value)) assert.equal(builtIn, String(value), name)
  }
})

test('the example files in docs/configuration.md and docs/administrators.md are valid', () => {
  for (const [page, settings] of Object.entries({ configuration: 3, administrators: 4 })) {
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(read(page))!
    const { values, mistakes } = parseConfig(Buffer.from(example!))
    assert.deepEqual(mistakes, [])
    assert.equal(Object.keys(values).length, settings)
  }
})
