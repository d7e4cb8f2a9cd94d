/** The environment of the demonstration, made in seconds: a copy of this machine's Python, and Jupyter's kernel from PyPI. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'

const PACKAGES = ['ipykernel', 'jupyter-core']

/** Where the machine's own Python keeps what makes a Python. The system's comes first: it may be copied. */
const LAYOUT = `
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
  "executable": os.path.realpath(sys.executable), "prefix": sys.base_prefix, "version": "python%d.%d" % sys.version_info[:2],
  "libraries": sorted({paths["stdlib"], paths["platstdlib"]})}))`

interface Layout {
  executable: string
  prefix: string
  /** As in `lib/python3.13`. */
  version: string
  libraries: string[]
}

export const demoFolder = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'conda-stage-demo')

/** The prefix, in demoFolder(). Built if it is not there. */
export function demoEnvironment(): string {
  const prefix = join(demoFolder(), 'envs/myjupyter')
  const history = join(prefix, 'conda-meta/history')
  if (existsSync(history)) return prefix
  process.stdout.write(
    `Building ${prefix}: a copy of this machine's Python with ${PACKAGES.join(' and ')} from PyPI (135 MB) ...\n`,
  )
  rmSync(prefix, { recursive: true, force: true })
  const python = ['/usr/bin/python3', 'python3'].find((name) => spawnSync(name, ['-c', '']).status === 0)
  if (python === undefined) throw new Error('The demonstration needs python3, or an active conda environment.')
  const { version } = copyPython(python, prefix)
  install(python, prefix, join(prefix, 'lib', version, 'site-packages'))
  // Written last: it makes the folder an environment.
  mkdirSync(dirname(history))
  writeFileSync(history, `==> ${new Date().toISOString()} <==\n# cmd: npm run demo\n`)
  return prefix
}

function copyPython(python: string, prefix: string): Layout {
  const layout: Layout = JSON.parse(execFileSync(python, ['-I', '-c', LAYOUT], { encoding: 'utf8' }))
  const { executable, version, libraries } = layout
  mkdirSync(join(prefix, 'bin'), { recursive: true })
  cpSync(executable, join(prefix, 'bin', basename(executable)))
  for (const name of ['python', 'python3'])
    if (name !== basename(executable)) symlinkSync(basename(executable), join(prefix, 'bin', name))
  for (const library of libraries) {
    const options = { recursive: true, verbatimSymlinks: true, filter: (path: string) => !isForeign(path) }
    cpSync(library, join(prefix, relative(layout.prefix, library)), options)
  }
  // Debian's Python looks into dist-packages only.
  const debian = join(prefix, 'lib', version, 'dist-packages')
  mkdirSync(debian, { recursive: true })
  writeFileSync(join(debian, 'site-packages.pth'), '../site-packages\n')
  return layout
}

/** What is the machine's, not Python's. */
const isForeign = (path: string): boolean => /\/(EXTERNALLY-MANAGED|site-packages|dist-packages)$/.test(path)

/** By the machine's pip if it can install for another Python, else by that of a virtual environment. */
function install(python: string, prefix: string, target: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'conda-stage-demo-'))
  try {
    const own = join(prefix, 'bin/python')
    let pip = python
    if (spawnSync(python, ['-m', 'pip', '--python', own, '--version']).status !== 0) {
      execFileSync(python, ['-m', 'venv', scratch], { stdio: ['ignore', 2, 2] })
      pip = join(scratch, 'bin/python')
    }
    const options = [
      '-q',
      '--disable-pip-version-check',
      '--no-compile',
      '--only-binary=:all:',
      '--root-user-action=ignore',
    ]
    execFileSync(pip, ['-m', 'pip', '--python', own, 'install', ...options, '--target', target, ...PACKAGES], {
      stdio: ['ignore', 2, 2],
    })
    for (const name of readdirSync(join(target, 'bin')))
      renameSync(join(target, 'bin', name), join(prefix, 'bin', name))
  } finally {
    rmSync(scratch, { recursive: true })
  }
}
