import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Plugin } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Libraries that few calls need, each in a file of its own: what lies in the program is compiled at each start. */
const APART = ['cli-progress', 'proper-lockfile', 'tar-stream', 'yaml', 'yauzl']

const COMMON: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  legalComments: 'linked',
  // A megabyte takes Node 17 ms to compile at each start, without its white space 12. Names stay, for stacks of errors.
  minifyWhitespace: true,
  lineLimit: 200,
  logLevel: 'warning',
}

/** Node starts a CommonJS program sooner than a module, and loads a part of itself (crypto, streams) only when it is called for. */
const PROGRAM: BuildOptions = {
  ...COMMON,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': '__url' },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
}

const apart: Plugin = {
  name: 'apart',
  setup({ onResolve }) {
    const filter = new RegExp(`^(${APART.join('|')})$`)
    onResolve({ filter }, ({ path }) => ({ path: `./libraries/${path}.cjs`, external: true }))
  },
}

/** commander calls child_process for subcommands in files of their own, which we have not, and loads it at each start. */
const whenCalled: Plugin = {
  name: 'when-called',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'child_process', namespace: 'when-called' } : undefined,
    )
    onLoad({ filter: /.*/, namespace: 'when-called' }, () => ({
      contents: "module.exports = { get spawn() { return require('node:child_process').spawn } }",
    }))
  },
}

/** Makes the JavaScript that the package ships, with the templates of all shells beside it. */
export async function bundle(folder: string): Promise<void> {
  const entryPoints = { bin: 'src/bin.ts', worker: 'src/workers/worker.ts' }
  await build({ ...PROGRAM, outdir: folder, entryPoints, plugins: [apart, whenCalled] })
  await build({ ...PROGRAM, outdir: join(folder, 'libraries'), entryPoints: APART })
  await build({
    ...COMMON,
    outdir: folder,
    entryPoints: { index: 'src/index.ts' },
    format: 'esm',
    // Dependencies written for CommonJS call require().
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
  for (const step of ['activate', 'auto-stage', 'completion', 'conda-pack', 'modulefile']) {
    cpSync(join(root, `src/${step}/templates`), join(folder, 'templates'), { recursive: true })
  }
}
