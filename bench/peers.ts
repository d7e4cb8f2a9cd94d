/** What conda-stage is measured against. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE, SLOW, TOP } from './layout.ts'
import { emptied, run } from './measure.ts'

const CONDA_PACK = ['conda-pack==0.9.2', 'zstandard==0.25.0', 'setuptools==80.9.0']

export interface Peers {
  /** A folder for PATH that holds conda-pack and nothing else. */
  condaPack: string
  /** Pythons that have conda as a module, if CONDA_STAGE_TEST_CONDA names one. */
  conda?: { slow: string; local: string }
  /** The file that defines the function of conda-stage 0.7.1, if CONDA_STAGE_PEER names its checkout. */
  condaStage?: string
}

/** Installs conda-pack once, by pip. Copies the others beside the environments. */
export function providePeers(): Peers {
  const { CONDA_STAGE_TEST_CONDA: conda, CONDA_STAGE_PEER: condaStage } = process.env
  return {
    condaPack: provideCondaPack(),
    ...(conda && {
      conda: { slow: copyOfConda(conda, join(SLOW, 'conda')), local: copyOfConda(conda, join(TOP, 'conda')) },
    }),
    ...(condaStage && { condaStage: copyOfCondaStage(condaStage) }),
  }
}

export function versionsOf(peers: Peers): Record<string, string> {
  const first = (text: string) => text.trim().split('\n')[0]!
  return {
    'conda-pack': first(run(join(peers.condaPack, 'conda-pack'), ['--version']).stdout),
    tar: first(run('tar', ['--version']).stdout),
    zstd: first(run('zstd', ['--version']).stdout),
    ...(peers.conda && { conda: first(run(peers.conda.local, ['-m', 'conda', '--version']).stdout) }),
    ...(peers.condaStage && {
      'conda-stage': first(run('bash', [join(SLOW, 'conda-stage/bin/conda-stage'), '--version']).stdout),
    }),
  }
}

function provideCondaPack(): string {
  const venv = join(CACHE, 'bench-conda-pack-0.9.2')
  const done = join(venv, 'done')
  if (!existsSync(done)) {
    emptied(venv)
    run('python3', ['-m', 'venv', venv])
    // pip finds its configuration through the session's home.
    const home = { HOME: process.env.HOME ?? '/' }
    run(join(venv, 'bin/python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...CONDA_PACK], {
      env: home,
    })
    writeFileSync(done, '')
  }
  const folder = emptied(join(TOP, 'conda-pack'))
  symlinkSync(join(venv, 'bin/conda-pack'), join(folder, 'conda-pack'))
  return folder
}

/** Copies a Python's whole prefix. What a virtual environment takes from the Python below it (the standard library) stays there. */
function copyOfConda(python: string, folder: string): string {
  const { stdout } = run(python, ['-c', 'import sys; print(sys.prefix)'])
  emptied(folder)
  cpSync(stdout.trim(), folder, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  const script = join(folder, 'bin/conda')
  writeFileSync(script, readFileSync(script, 'utf8').replace(/^#!.*/, `#!${join(folder, 'bin/python')}`))
  // An installer of conda puts it here, apart from the Python, for PATH.
  mkdirSync(join(folder, 'condabin'))
  symlinkSync('../bin/conda', join(folder, 'condabin/conda'))
  return join(folder, 'bin/python')
}

function copyOfCondaStage(checkout: string): string {
  const folder = join(SLOW, 'conda-stage')
  mkdirSync(folder, { recursive: true })
  cpSync(join(checkout, 'bin'), join(folder, 'bin'), { recursive: true })
  return join(folder, 'bin/conda-stage.sh')
}
