import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installEnvironment } from '../fixtures/environment.ts'
import { kept } from '../fixtures/kept.ts'

/** A kernel for Jupyter, and Dask. */
export const KERNEL_AND_DASK = ['ipykernel==7.4.0', 'dask-jobqueue==0.9.0', 'distributed==2026.8.0']

/** JupyterHub and its single-user server, without JupyterLab. */
export const HUB = ['jupyterhub==6.1.1', 'batchspawner==1.3.0', 'jupyter-server==2.21.1', 'ipykernel==7.4.0']

/** In memory, if there is room: on a busy disk, making and removing 15,000 files takes longer than all the rest. */
export function roomyFolder(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 2e9 ? memory : tmpdir()
}

/** Installs Python and these packages, as users do by pip. The packages stay in the tests' cache. */
export async function pythonEnvironment(prefix: string, packages: readonly string[]): Promise<void> {
  await installEnvironment(prefix, { specs: ['python', 'pip'], byHand: false })
  const python = join(prefix, 'bin/python')
  const folder = await keptPackages(python, packages)
  const site = execFileSync(python, ['-c', 'import site; print(site.getsitepackages()[0])'], { encoding: 'utf8' })
  execFileSync('cp', ['-a', `${folder}/site/.`, site.trim()])
  cpSync(`${folder}/share`, join(prefix, 'share'), { recursive: true })
  // Their first line names the environment for which they were installed.
  for (const name of readdirSync(`${folder}/bin`)) {
    const script = readFileSync(join(folder, 'bin', name), 'utf8').replace(/^#!.*/, `#!${python}`)
    writeFileSync(join(prefix, 'bin', name), script, { mode: 0o755 })
  }
}

function keptPackages(python: string, packages: readonly string[]): Promise<string> {
  return kept(`for-tools-${packages.join('-')}`, (folder) => {
    const options = ['--quiet', '--root-user-action=ignore', '--no-warn-script-location', `--target=${folder}/site`]
    execFileSync(python, ['-m', 'pip', 'install', ...options, ...packages], { stdio: ['ignore', 'ignore', 'inherit'] })
    // pip puts what goes into the prefix there, too.
    renameSync(`${folder}/site/bin`, `${folder}/bin`)
    mkdirSync(`${folder}/share`)
    for (const name of ['jupyter', 'jupyterhub'])
      if (existsSync(`${folder}/site/share/${name}`))
        renameSync(`${folder}/site/share/${name}`, `${folder}/share/${name}`)
  })
}
