import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'

const CHECKER = join(import.meta.dirname, '../../scripts/floors.ts')

const COMPILER_OPTIONS = { module: 'nodenext', noEmit: true, allowImportingTsExtensions: true, types: [] }

/** What the checker says of a tree with these files. */
function check(files: Record<string, string>): { status: number | null; lines: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'floors-'))
  try {
    const settings = { 'package.json': { type: 'module' }, 'tsconfig.json': { compilerOptions: COMPILER_OPTIONS } }
    for (const [name, value] of Object.entries(settings)) writeFileSync(join(folder, name), JSON.stringify(value))
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    const { status, stderr } = spawnSync(process.execPath, [CHECKER, folder], { encoding: 'utf8' })
    return { status, lines: stderr.trim().split('\n') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const SOUND = {
  'src/bin.ts': "import './cli/main.ts'\n",
  'src/cli/main.ts': "import { pack } from '../pipeline.ts'\nimport './options.ts'\npack()\n",
  'src/cli/options.ts': 'export const options = 1\n',
  'src/pipeline.ts': "import { model } from './model/model.ts'\nexport const pack = () => model\n",
  'src/pipeline/step.ts': "import '../pipeline.ts'\n",
  'src/model/model.ts': 'export type Model = 1\nexport const model = 1\n',
}

describe('the checker of import direction', () => {
  test('passes imports that go down, and those within a room', () => {
    assert.deepEqual(check(SOUND), { status: 0, lines: [''] })
  })

  const broken: [string, Record<string, string>, string][] = [
    [
      'an import from a higher floor',
      { 'src/model/model.ts': "import '../cli/options.ts'\nexport const model = 1\n" },
      'src/model/model.ts -> src/cli/options.ts: cli is above model',
    ],
    [
      'an import that goes up for a type only',
      { 'src/model/up.ts': "export type { options } from '../cli/options.ts'\n" },
      'src/model/up.ts -> src/cli/options.ts: cli is above model',
    ],
    [
      'a dynamic import that goes up',
      { 'src/model/up.ts': "export const load = () => import('../cli/options.ts')\n" },
      'src/model/up.ts -> src/cli/options.ts: cli is above model',
    ],
    [
      'an import from another room of the same floor',
      { 'src/cache/a.ts': "import '../workers/b.ts'\n", 'src/workers/b.ts': 'export {}\n' },
      'src/cache/a.ts -> src/workers/b.ts: workers is on the same floor as cache',
    ],
    [
      'a circle of types within a room',
      {
        'src/model/a.ts': "import type { B } from './b.ts'\nexport interface A { b: B }\n",
        'src/model/b.ts': "export interface B { a: import('./a.ts').A }\n",
      },
      'circle: src/model/a.ts -> src/model/b.ts -> src/model/a.ts',
    ],
    [
      'an import from outside src/',
      { 'src/model/a.ts': "import '../../test/b.ts'\n", 'test/b.ts': 'export {}\n' },
      'src/model/a.ts -> test/b.ts: outside src/',
    ],
    [
      'a folder that is on no floor, even without imports',
      { 'src/attic/a.ts': 'export {}\n' },
      'src/attic is on no floor: list it in scripts/floors.ts',
    ],
  ]
  for (const [what, files, line] of broken) {
    test(`refuses ${what}`, () => {
      assert.deepEqual(check({ ...SOUND, ...files }), { status: 1, lines: [line] })
    })
  }
})
