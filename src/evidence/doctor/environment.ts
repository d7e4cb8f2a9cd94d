import { wordPosix } from '../../activate/quote.ts'
import { editableInstalls } from '../../environment/editable.ts'
import { milliseconds } from '../../model/amounts.ts'
import { bytePathOf } from '../../model/byte-path.ts'
import { status } from '../../pipeline/status.ts'
import { isNetwork, mountOf, parseMountInfo, readMountInfo } from '../../platform/mounts.ts'
import { exists, readdir, realpath } from '../../platform/remote-fs.ts'
import { timeOfLookUp } from '../../platform/time-of-look-up.ts'
import { venvsOf } from '../../stage/dependents.ts'
import { bad, type Check, good, note } from './finding.ts'

/** From here on, a start that looks up some thousand names is slower than a person likes. */
const SLOW_MS = 0.2

/** The environment, and what outside of it leads to the original. */
export const environmentChecks: Readonly<Record<string, Check>> = {
  environment: async ({ original }) => {
    if (original === undefined || !(await exists(original))) return []
    const { fsType = 'unknown' } = mountOf(await realpath(original), parseMountInfo(readMountInfo())) ?? {}
    const ms = await timeOfLookUp(original)
    const says = `${original}: ${fsType}${isNetwork(fsType) ? ' (network)' : ''}, a look-up takes ${milliseconds(ms)}`
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
        bad(
          'archive',
          says,
          `'conda-stage --pack --force --prefix=${wordPosix(patient.original)}' writes it again; docs/troubleshooting.md has each cause.`,
        ),
      ]
    return state === 'fresh'
      ? [good('archive', says)]
      : [
          note(
            'archive',
            says,
            `The next stage packs. 'conda-stage --pack --prefix=${wordPosix(patient.original)}' does it now.`,
          ),
        ]
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
    const says = `Python also looks into ${base}/lib/${used.join(', ')}, which no copy includes`
    return [note('user site', says, 'PYTHONNOUSERSITE=1, and install what you need into the environment.')]
  },

  'virtual environments': async ({ original, env, cwd, withBase, isSilent }) => {
    if (original === undefined || isSilent(cwd)) return []
    const found = await venvsOf(original, { env, cwd })
    const remedy = "CONDA_STAGE_WITH_BASE=true, or 'with-base: true' in the configuration, also stages its Python."
    return found.map((path) => {
      const says = `${path} uses the original's Python`
      return withBase
        ? good('virtual environments', `${says}, which is staged with it`)
        : note('virtual environments', says, remedy)
    })
  },
}

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
