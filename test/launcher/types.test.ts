/** The types that the package ships, as a project of a user's sees them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../cli/world.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const TSC = join(CHECKOUT, 'node_modules/.bin/tsc')

/** What docs/usage.md says of the library, with each type that a user may need a name for. */
const PROGRAM = `
import { type PackResult, pack, StageError, type StageOptions, type StageResult, stage, unstage, verify, verifyArchive } from 'conda-stage'
const options: StageOptions = {
  prefix: '/envs/a', signal: AbortSignal.timeout(1), onProgress: (event) => { if (event.kind === 'warning') console.error(event.message) },
}
const { prefix, warnings }: StageResult = await stage(options)
const packed: PackResult = await pack({ prefix, format: 'zip', output: 'a.zip' })
const text: string = packed.archive + warnings.join()
const { kept } = await unstage({ prefix })
// Who uses the copy has a type, too, and not just any.
const users: number = kept && 'users' in kept ? kept.users.length : 0
// @ts-expect-error
const wrong: string = kept && 'users' in kept ? kept.users[0]!.processes : ''
const sound: boolean = [...(await verify({ prefix })).findings, ...(await verifyArchive({ archive: text })).findings].every(({ harmless }) => harmless)
const explain = (error: unknown) => (error instanceof StageError ? [error.code, error.hint, error.path] : [])
export { explain, sound, users, wrong }
`

test('a strict TypeScript project that checks the types of its libraries compiles with ours, and needs no library of ours', (context) => {
  const root = temporaryFolder(context)
  const installed = join(root, 'node_modules/conda-stage')
  mkdirSync(installed, { recursive: true })
  cpSync(join(CHECKOUT, 'package.json'), join(installed, 'package.json'))
  cpSync(join(CHECKOUT, 'node_modules/@types/node'), join(root, 'node_modules/@types/node'), { recursive: true })
  cpSync(join(CHECKOUT, 'node_modules/undici-types'), join(root, 'node_modules/undici-types'), { recursive: true })
  compile(['-p', join(CHECKOUT, 'tsconfig.types.json'), '--outDir', join(installed, 'dist/types')])
  writeFileSync(join(root, 'program.mts'), PROGRAM)
  const compilerOptions = { strict: true, exactOptionalPropertyTypes: true, module: 'nodenext', types: ['node'] }
  const settings = { compilerOptions: { ...compilerOptions, target: 'es2023', noEmit: true }, files: ['program.mts'] }
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify(settings))
  compile(['-p', root])
})

function compile(args: readonly string[]): void {
  const { stdout, status } = spawnSync(TSC, args, { encoding: 'utf8' })
  assert.deepEqual([stdout, status], ['', 0])
}
