/**
 * Makes dist/: what the npm package ships. Node runs TypeScript by itself in a checkout, but not below node_modules,
 * and one file starts faster than a hundred on the file systems this program is made for.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })

await bundle('dist')
execFileSync('tsc', ['-p', 'tsconfig.types.json'], { stdio: 'inherit' })
chmodSync('bin/conda-stage', 0o755)
