import { cpSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { licenses } from './licenses.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Libraries that few calls need get a file each: whatever is in the program itself is compiled at every start. */
const APART = ['cli-progress', 'yaml', 'yauzl']
/** Of the charting library, only what we use. */
const CHARTS = { file: 'src/cli/render/report/parts-of-echarts.ts', name: 'echarts' }

const COMMON: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  legalComments: 'linked',
  // Node compiles a megabyte in 17 ms at each start, or in 12 ms without white space. Names stay, for the stacks of errors.
  minifyWhitespace: true,
  lineLimit: 200,
  logLevel: 'warning',
  metafile: true,
}

/** Node starts a CommonJS program sooner than a module, and loads parts of itself (crypto, streams) only on use. */
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
    const charts = new RegExp(`/${basename(CHARTS.file, '.ts')}\\.ts$`)
    onResolve({ filter: charts }, () => ({ path: `./libraries/${CHARTS.name}.cjs`, external: true }))
  },
}

/**
 * Parts of Node that few calls need. Loading them takes longer than most of what we do: crypto alone 7 ms, which is a third of an
 * empty program. A part is loaded when something in it is used for the first time, whoever imports it.
 */
const WHEN_USED = /^node:(child_process|crypto|stream|stream\/promises|tty|worker_threads|zlib)$/

const whenUsed: Plugin = {
  name: 'when-used',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: WHEN_USED }, ({ path, namespace }) =>
      namespace === 'when-used' ? undefined : { path, namespace: 'when-used' },
    )
    onLoad({ filter: /.*/, namespace: 'when-used' }, ({ path }) => {
      const names = Object.keys(createRequire(import.meta.url)(path)).filter((name) => /^\w+$/.test(name))
      const getters = names.map((name) => `get ${name}() { return require('${path}').${name} }`)
      return { contents: `module.exports = { ${getters.join(', ')} }` }
    })
  },
}

/** An older Node has no zstd: an import by name would fail before the library can say what is wrong. */
const zlibAsWhole: Plugin = {
  name: 'zlib-as-whole',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:zlib$/ }, ({ namespace }) =>
      namespace === 'zlib-as-whole' ? undefined : { path: 'zlib', namespace: 'zlib-as-whole' },
    )
    onLoad({ filter: /.*/, namespace: 'zlib-as-whole' }, () => ({ contents: "module.exports = require('node:zlib')" }))
  },
}

/** What the library begins with. Dependencies written for CommonJS call require(). The versions are those of bin/conda-stage. */
const LIBRARY_START = `
import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url)
const [__major, __minor] = process.versions.node.split('.').map(Number)
if (__major < 22 || (__major === 22 && __minor < 15) || (__major === 23 && __minor < 8))
  throw new Error('conda-stage can be imported by Node.js 22.15, 23.8 or newer; this is ' + process.version + '. Its program, bin/conda-stage, brings a Node of its own.')
`

/** Makes the JavaScript that the package ships, with the templates of all shells and the licenses of others' code beside it. */
export async function bundle(folder: string): Promise<void> {
  const entryPoints = { bin: 'src/start.ts', program: 'src/bin.ts', worker: 'src/workers/worker.ts' }
  const program = await build({ ...PROGRAM, outdir: folder, entryPoints, plugins: [apart, whenUsed] })
  const libraries = await build({ ...PROGRAM, outdir: join(folder, 'libraries'), entryPoints: APART })
  const charts = await build({
    ...PROGRAM,
    outdir: join(folder, 'libraries'),
    entryPoints: { [CHARTS.name]: CHARTS.file },
    minify: true,
  })
  const library = await build({
    ...COMMON,
    outdir: folder,
    entryPoints: { index: 'src/index.ts' },
    format: 'esm',
    plugins: [zlibAsWhole],
    banner: { js: LIBRARY_START },
  })
  for (const step of [
    'activate',
    'auto-stage',
    'cli/render/report',
    'completion',
    'conda-pack',
    'image/retire',
    'modulefile',
    'mount',
    'wrappers',
  ]) {
    cpSync(join(root, `src/${step}/templates`), join(folder, 'templates'), { recursive: true })
  }
  const sources = [program, libraries, charts, library].flatMap(({ metafile }) => Object.keys(metafile!.inputs))
  writeFileSync(join(folder, 'third-party-licenses.txt'), licenses(root, sources))
}
