import { wordPosix } from '../../activate/quote.ts'
import { readSmall } from '../../platform/read-small.ts'
import { exists, readdir } from '../../platform/remote-fs.ts'
import { jupyterFolder } from '../../stage/dependents.ts'
import { bad, type Check, type Finding, note, type Patient } from './finding.ts'

/** Kernels that start something that is gone, or the original. */
export const kernelChecks: Readonly<Record<string, Check>> = {
  'Jupyter kernels': async (patient) => {
    const found = await Promise.all(kernelFolders(patient).map((folder) => inFolder(folder, patient)))
    return found.flat()
  },
}

/** Where Jupyter looks for kernels outside of environments. jupyter_core/paths.py: `jupyter_path`. */
function kernelFolders({ env, home }: Patient): string[] {
  const data = (env.JUPYTER_PATH ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const userBase = env.PYTHONUSERBASE || `${home}/.local`
  const all = [jupyterFolder(env), `${userBase}/share/jupyter`, '/usr/local/share/jupyter', '/usr/share/jupyter']
  return [...new Set([...data, ...all, env.IPYTHONDIR || `${home}/.ipython`].map((folder) => `${folder}/kernels`))]
}

const MOST_KERNELS = 200
const MOST_BYTES = 64 * 1024

async function inFolder(folder: string, { original, isSilent }: Patient): Promise<Finding[]> {
  const names = (await readdir(folder).catch(() => [])).slice(0, MOST_KERNELS)
  const all = await Promise.all(
    names.map(async (name): Promise<Finding[]> => {
      const path = `${folder}/${name}`
      const program = await programOf(`${path}/kernel.json`)
      if (!program?.startsWith('/')) return []
      const remove = `rm -r ${wordPosix(path)}`
      if (original !== undefined && program.startsWith(`${original}/`)) {
        const instead = `conda-stage --wrappers=DIR --kernelspec=${wordPosix(name)} --prefix=${wordPosix(original)}`
        return [note('Jupyter kernels', `${path} starts the original's ${program}`, `${remove}; ${instead}`)]
      }
      if (isSilent(program) || (await exists(program))) return []
      return [bad('Jupyter kernels', `${path} starts ${program}, which is gone`, remove)]
    }),
  )
  return all.flat()
}

async function programOf(file: string): Promise<string | undefined> {
  try {
    const { argv } = JSON.parse(String(await readSmall(file, MOST_BYTES))) as { argv?: unknown[] }
    return typeof argv?.[0] === 'string' ? argv[0] : undefined
  } catch {
    return undefined
  }
}
