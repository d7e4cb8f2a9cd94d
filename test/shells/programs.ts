/**
 * The programs of these tests in JavaScript. A session starts them ten times, and each start from TypeScript takes as long as
 * three to five of these.
 */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const here = import.meta.dirname
let made: string | undefined

/** A folder with `driver.cjs`, its templates, and `conda-stand-in.cjs` and `.sh`, which goes with the test's process. */
export function programs(): string {
  if (made !== undefined) return made
  made = mkdtempSync(join(tmpdir(), 'programs-'))
  process.once('exit', () => rmSync(made!, { recursive: true }))
  buildSync({
    entryPoints: ['driver', 'conda-stand-in'].map((name) => join(here, `${name}.ts`)),
    outdir: made,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.url': '__url' },
    banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
  })
  cpSync(join(here, '../../src/activate/templates'), join(made, 'templates'), { recursive: true })
  copyFileSync(join(here, 'conda-stand-in.sh'), join(made, 'conda-stand-in.sh'))
  return made
}
