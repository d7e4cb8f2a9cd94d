/**
 * `npm run demo`: a session with conda-stage, for real. Stages the active environment. Without one, builds an environment with
 * Python and Jupyter (seconds, once) and stages that.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demoEnvironment, demoFolder } from './demo-environment.ts'
import { ensurePrerequisites } from './prerequisites.ts'

const ROOT = join(import.meta.dirname, '..')

async function main(): Promise<number> {
  const { CONDA_PREFIX, CONDA_DEFAULT_ENV } = process.env
  const active = CONDA_DEFAULT_ENV === 'base' ? undefined : CONDA_PREFIX
  const { prefix, activation } = active ? { prefix: active, activation: '' } : builtEnvironment()
  const archive = `${prefix}.tar.zst`
  const wasThere = existsSync(archive)
  // Where the environment's folder can't be written, the archive goes to the user's cache.
  const cache = mkdtempSync(join(tmpdir(), 'conda-stage-demo-'))
  try {
    const env = { ...process.env, ACTIVATION: activation, XDG_CACHE_HOME: cache }
    const { status } = spawnSync('bash', [join(ROOT, 'scripts/demo.sh')], { cwd: ROOT, env, stdio: 'inherit' })
    if (status !== 0) return 1
  } finally {
    rmSync(cache, { recursive: true, force: true })
    if (!wasThere) rmSync(archive, { force: true })
  }
  process.stdout.write(nextSteps(active ? undefined : demoFolder()))
  return 0
}

function builtEnvironment(): { prefix: string; activation: string } {
  process.stdout.write('No conda environment is active (base does not count): here is one for the demonstration.\n')
  ensurePrerequisites('demo')
  const prefix = demoEnvironment()
  const quoted = `'${prefix.replaceAll("'", String.raw`'\''`)}'`
  return { prefix, activation: `export CONDA_PREFIX=${quoted} CONDA_SHLVL=1 PATH=${quoted}/bin:"$PATH"` }
}

const nextSteps = (kept?: string): string => `
This environment is on local disk already, so look at what happens rather than at the times. Copy and archive are removed again.
${kept ? `The environment stays for the next demonstration; to remove it: rm -r '${kept}'\n` : ''}
To use conda-stage in your own environments, on a slow file system:

  eval "$(${join(ROOT, 'bin/conda-stage')} --source)"     # in ~/.bashrc, or first in a job script
  conda activate myenvironment
  conda-stage
  ...
  conda-stage --unstage
`

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
