import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readyCache } from '../fixtures/cache.ts'
import { installEnvironment } from '../fixtures/environment.ts'

/** What users install by pip; batchspawner without JupyterHub, which has 100 MB. */
const WHEELS = ['ipykernel==7.4.0', 'dask-jobqueue==0.9.0', 'distributed==2026.8.0']
const ALONE = ['batchspawner==1.3.0']

/** Installs Python with a kernel for Jupyter, Dask and batchspawner, from wheels that stay in the tests' cache. */
export async function pythonEnvironment(prefix: string): Promise<void> {
  await installEnvironment(prefix, { specs: ['python', 'pip'], byHand: false })
  const python = join(prefix, 'bin/python')
  const { root } = await readyCache('small')
  const kept = join(root, `for-wrappers-${[...WHEELS, ...ALONE].join('-')}`)
  if (!existsSync(kept)) {
    const aside = mkdtempSync(`${kept}.`)
    const pip = (...args: string[]) =>
      execFileSync(
        python,
        [
          '-m',
          'pip',
          'install',
          '--quiet',
          '--root-user-action=ignore',
          '--no-warn-script-location',
          `--target=${aside}/site`,
          ...args,
        ],
        {
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      )
    pip(...WHEELS)
    pip('--no-deps', ...ALONE)
    // pip puts what goes into the prefix there, too.
    mkdirSync(`${aside}/share`)
    renameSync(`${aside}/site/share/jupyter`, `${aside}/share/jupyter`)
    try {
      renameSync(aside, kept)
    } catch {
      // Another test was first.
      rmSync(aside, { recursive: true })
    }
  }
  const site = execFileSync(python, ['-c', 'import site; print(site.getsitepackages()[0])'], { encoding: 'utf8' })
  execFileSync('cp', ['-a', `${kept}/site/.`, site.trim()])
  cpSync(`${kept}/share`, join(prefix, 'share'), { recursive: true })
}
