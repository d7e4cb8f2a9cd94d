import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Makes the JavaScript that the package ships, with the templates of all shells beside it. */
export async function bundle(folder: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { bin: 'src/bin.ts', index: 'src/index.ts', worker: 'src/workers/worker.ts' },
    outdir: folder,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22.15',
    legalComments: 'linked',
    // A megabyte takes Node 17 ms to compile at each start, without its white space 12. Names stay, for stacks of errors.
    minifyWhitespace: true,
    lineLimit: 200,
    // Dependencies written for CommonJS call require().
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  for (const step of ['activate', 'auto-stage', 'completion', 'conda-pack', 'modulefile']) {
    cpSync(join(root, `src/${step}/templates`), join(folder, 'templates'), { recursive: true })
  }
}
