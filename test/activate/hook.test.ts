import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import type { Dialect } from '../../src/activate/dialect.ts'
import { type DialectName, dialects } from '../../src/activate/dialects.ts'
import { hook } from '../../src/activate/hook.ts'
import { MARK } from '../../src/activate/render.ts'

const TEMPLATES = new URL('../../src/activate/templates/', import.meta.url)

/** The file that the alias of csh sources, and the one that this calls. */
const CALLED = ['becomes.sh', 'call.csh', 'code-folder.sh']

test('every dialect has its two templates, and every template a dialect', () => {
  const names = Object.entries<Dialect>(dialects).map(([name, { templates = name }]) => templates)
  assert.deepEqual(
    readdirSync(TEMPLATES).sort(),
    [...CALLED, ...new Set(names.flatMap((name) => [`hook.${name}`, `unhook.${name}`]))].sort(),
  )
})

test('the code of --source has a quoted launcher, no placeholder left, no comment, and looks for the marks around code', () => {
  const launcher = "/it's/$& bin/conda-stage"
  const posix = String.raw`'/it'\''s/$& bin/conda-stage' "$@"`
  const call: Partial<Record<DialectName, string>> = {
    fish: String.raw`'/it\'s/$& bin/conda-stage' $argv`,
    // Read twice: by alias, and when the alias is used.
    tcsh: String.raw`/it\\\'s/\\\$\\\&\\\ bin/conda-stage \!\*`,
  }
  for (const dialect of Object.keys(dialects) as DialectName[]) {
    const code = hook(dialect, launcher)
    const template = dialects[dialect] === dialects.tcsh ? 'tcsh' : dialect
    assert.ok(code.includes(call[template] ?? posix), code)
    assert.doesNotMatch(code, /@[A-Z]+@|^\s*#/m)
    if (template !== 'tcsh') assert.ok(code.includes(`*${MARK}*${MARK}*`))
  }
})

test('the code of --source for csh is one line, because eval in csh joins lines', () => {
  assert.match(hook('csh', '/bin/conda-stage'), /^.+\n$/)
})
