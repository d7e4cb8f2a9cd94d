import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../cli/world.ts'

const ROOT = join(import.meta.dirname, '../..')
const TSC = join(ROOT, 'node_modules/.bin/tsc')

/** A program of somebody who uses the library. The compiler says so if a line that is marked as mistaken is not. */
const PROGRAM = `
import { pack, type ProgressEvent, StageError, stage, type StageResult, unstage, verify, verifyArchive } from 'conda-stage'

const controller = new AbortController()
const seen: string[] = []
const onProgress = (event: ProgressEvent): void => {
  if (event.kind === 'progress') seen.push(\`\${event.phase} \${event.files / event.totalFiles}\`)
  else if (event.kind === 'warning') seen.push(event.message)
  // @ts-expect-error Only some events have a message.
  seen.push(event.message)
}
const packed = await pack({ prefix: '/envs/my', format: 'tar.bz2', output: 'my.tar.bz2', onProgress, signal: controller.signal })
const staged: StageResult = await stage({ prefix: '/envs/my', writable: true, keepMinutes: null, env: process.env })
const { kept } = await unstage({ prefix: staged.prefix, lease: staged.lease })
const { findings } = await verify({ prefix: staged.prefix })
const checked = await verifyArchive({ archive: packed.archive })
export const text: string[] = [packed.archive, staged.prefix, staged.original, ...staged.warnings, ...seen, checked.archive]
export const count: number = findings.length + checked.findings.length + staged.files + staged.bytes + packed.bytes
if (kept && 'users' in kept) text.push(...kept.users.map(({ host, processes }) => \`\${host} \${processes[0]?.pid}\`))
try {
  await stage()
} catch (error) {
  if (error instanceof StageError && error.code === 'NO_SPACE') text.push(error.message, error.path ?? '')
  // @ts-expect-error No such code.
  if (error instanceof StageError && error.code === 'NO_SPACES') text.push(error.message)
}
// @ts-expect-error A tar.bz2 can't be staged.
await stage({ format: 'tar.bz2' })
// @ts-expect-error No such option.
await stage({ prefx: '/envs/my' })
// @ts-expect-error Which copy?
await unstage({})
// @ts-expect-error A copy may have no archive.
export const archive: string = staged.archive

// What the compiler can't find becomes any, which takes everything.
type IsAny<T> = 0 extends 1 & T ? true : false
type User = Extract<typeof kept, { users: unknown }>['users'][number]
export const isAny: IsAny<User | (typeof findings)[number] | typeof packed | typeof checked | typeof staged.payback> = false
`

test('programs in TypeScript get the types of the library, and need no more for it than the types of Node', (context) => {
  const folder = temporaryFolder(context)
  const installed = join(folder, 'node_modules/conda-stage')
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
  execFileSync(TSC, ['-p', join(ROOT, 'tsconfig.types.json'), '--outDir', join(installed, 'dist/types')])
  copyFileSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
  writeFileSync(join(installed, 'dist/index.js'), '')
  writeFileSync(join(folder, 'program.mts'), PROGRAM)
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    const options = {
      target: 'es2022',
      lib: 'es2024',
      module,
      moduleResolution: resolution,
      types: 'node',
      skipLibCheck: 'false',
    }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
    const { status, stdout } = spawnSync(
      TSC,
      [...flags, '--strict', '--exactOptionalPropertyTypes', '--noEmit', 'program.mts'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    assert.deepEqual({ status, stdout }, { status: 0, stdout: '' }, resolution)
  }
})
