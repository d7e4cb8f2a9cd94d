/**
 * Makes dist/, which the npm package ships and which a checkout runs until a source changes. Node runs TypeScript, but not below
 * node_modules, and one file starts faster than a hundred on the file systems that this program is made for.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'
import { manPage } from './man-page.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })
mkdirSync('dist')

// bin/conda-stage compares the sources with this file. It is as old as the beginning of the build, and gets its name at the end.
writeFileSync('dist/unfinished', '')
await bundle('dist')
execFileSync(process.execPath, ['scripts/byte-code.ts', 'dist'], { stdio: 'inherit' })
writeFileSync('dist/conda-stage.1', manPage())
renameSync('dist/unfinished', 'dist/built')
execFileSync('tsc', ['-p', 'tsconfig.types.json'], { stdio: 'inherit' })
chmodSync('bin/conda-stage', 0o755)
