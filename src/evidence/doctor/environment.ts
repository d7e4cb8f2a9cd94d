import { editableInstalls } from '../../environment/editable.ts'
import { bytePathOf } from '../../model/byte-path.ts'
import { status } from '../../pipeline/status.ts'
import { isNetwork, mountOf, parseMountInfo, readMountInfo } from '../../platform/mounts.ts'
import { readHead, readSmall } from '../../platform/read-small.ts'
import { exists, readdir, realpath } from '../../platform/remote-fs.ts'
import { timeOfLookUp } from '../../platform/time-of-look-up.ts'
import { dependentsOf, jupyterFolder } from '../../stage/dependents.ts'
import { bad, type Check, type Finding, good, note } from './finding.ts'

/** From here on, a start that looks up some thousand names is slower than a person likes. */
const SLOW_MS = 0.2

/** The environment, and what outside of it leads to the original. */
export const environmentChecks: Readonly<Record<string, Check>> = {
  environment: async ({ original }) => {
    if (original === undefined || !(await exists(original))) return []
    const { fsType = 'unknown' } = mountOf(await realpath(original), parseMountInfo(readMountInfo())) ?? {}
    const ms = await timeOfLookUp(original)
    const says = `${original}: ${fsType}${isNetwork(fsType) ? ' (network)' : ''}, a look-up takes ${ms.toFixed(3)} ms`
    if (isNetwork(fsType) || ms >= SLOW_MS) return [good('environment', `${says}: staging pays`)]
    return [note('environment', `${says}: a copy gains little`, "'conda-stage --benchmark -- COMMAND' measures it.")]
  },

  archive: async (patient) => {
    if (patient.original === undefined) return []
    const { archive, problem } = await status({ ...patient, prefix: patient.original })
    if (problem !== undefined)
      return [bad('archive', problem, 'Name an environment that can be read with --prefix=ENV.')]
    if (archive === undefined) return []
    const { path, state, reason } = archive
    const says = `${path} is ${state}${reason === undefined ? '' : `: ${reason}`}`
    if (state === 'unusable')
      return [
        bad('archive', says, "'conda-stage --pack --force' writes it anew; docs/troubleshooting.md has each cause."),
      ]
    return state === 'fresh' ? [good('archive', says)] : [note('archive', says, 'The next stage packs.')]
  },

  'editable installs': async ({ original }) => {
    if (original === undefined || !(await exists(original))) return []
    const installs = await editableInstalls(
      { prefix: original, real: await realpath(original) },
      await sitesIn(original),
    )
    return installs.map(({ project, target }) =>
      note('editable installs', `${project} is used from ${target}`, 'Install it without -e to have it in the copy.'),
    )
  },

  'user site': async ({ env, home, original }) => {
    const base = env.PYTHONUSERBASE || `${home}/.local`
    const names = (await readdir(`${base}/lib`).catch(() => [])).filter((name) => /^python\d/.test(name))
    const own = original === undefined ? [] : await readdir(`${original}/lib`).catch(() => [])
    const used = names.filter((name) => own.includes(name))
    if (env.PYTHONNOUSERSITE || used.length === 0) return []
    const says = `Python also looks into ${base}/lib/${used.join(', ')}, which is in no copy`
    return [note('user site', says, 'PYTHONNOUSERSITE=1, and install what you need into the environment.')]
  },

  'Jupyter kernels': async ({ env }) => {
    const folder = `${jupyterFolder(env)}/kernels`
    const names = (await readdir(folder).catch(() => [])).slice(0, MOST_FILES)
    const all = await Promise.all(
      names.map(async (name): Promise<Finding[]> => {
        const text = await readSmall(`${folder}/${name}/kernel.json`, MOST_BYTES).then(String, () => '')
        const program = /"argv"\s*:\s*\[\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]
        if (!program?.startsWith('/') || (await exists(program))) return []
        const remedy = `jupyter kernelspec remove ${name}`
        return [bad('Jupyter kernels', `${name} starts ${program}, which is gone`, remedy)]
      }),
    )
    return all.flat()
  },

  'what uses the original': async ({ original, env, cwd }) => {
    if (original === undefined) return []
    const found = await dependentsOf(original, { env, cwd })
    return found.map(({ kind, path }) =>
      note('what uses the original', `the ${kind} ${path}`, 'docs/what-still-reaches-the-original.md says what to do.'),
    )
  },

  'scripts in your home': async ({ original, home }) => {
    if (original === undefined) return []
    const found = await Promise.all(
      ['bin', '.local/bin'].map(async (folder) => {
        const names = (await readdir(`${home}/${folder}`).catch(() => [])).slice(0, MOST_FILES)
        const heads = await Promise.all(
          names.map(async (name) => {
            const head = await readHead(`${home}/${folder}/${name}`, FIRST_LINE).then(String, () => '')
            return head.startsWith('#!') && head.split('\n')[0]!.includes(`${original}/`) ? [`~/${folder}/${name}`] : []
          }),
        )
        return heads.flat()
      }),
    )
    const scripts = found.flat()
    if (scripts.length === 0) return []
    const says = `${scripts.slice(0, 5).join(', ')}${scripts.length > 5 ? ` and ${scripts.length - 5} more` : ''} start the original's Python`
    return [note('scripts in your home', says, "Begin them with '#!/usr/bin/env python', or use conda-stage --exec.")]
  },
}

const MOST_FILES = 200
const MOST_BYTES = 64 * 1024
const FIRST_LINE = 256

/** What stands in site-packages, as a listing of the environment would have it. */
async function sitesIn(prefix: string): Promise<Parameters<typeof editableInstalls>[1]> {
  const pythons = (await readdir(`${prefix}/lib`).catch(() => [])).filter((name) => /^python\d/.test(name))
  const all = await Promise.all(
    pythons.map(async (python) => {
      const folder = `lib/${python}/site-packages`
      const entries = await readdir(`${prefix}/${folder}`, { withFileTypes: true }).catch(() => [])
      return entries.flatMap((entry) => {
        const path = bytePathOf(`${folder}/${entry.name}`)
        const type = entry.isSymbolicLink() ? 'symlink' : entry.isDirectory() ? 'directory' : 'file'
        const url = { path: `${path}/direct_url.json`, type: 'file' as const }
        return [{ path, type } as const, ...(entry.name.endsWith('.dist-info') ? [url] : [])]
      })
    }),
  )
  return all.flat()
}
