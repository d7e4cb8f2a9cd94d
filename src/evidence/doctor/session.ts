import { dirname } from 'node:path'
import { valuesIn } from '../../config/yaml.ts'
import { errnoOf, meaningOf } from '../../platform/errno.ts'
import { findProgram } from '../../platform/find-program.ts'
import { jobOf } from '../../platform/job.ts'
import { readSmall } from '../../platform/read-small.ts'
import { exists, stat } from '../../platform/remote-fs.ts'
import { isGone } from '../../platform/unreadable.ts'
import { bad, type Check, type Finding, good, note } from './finding.ts'

/** The session: who called us, what is active, which package managers there are. */
export const sessionChecks: Readonly<Record<string, Check>> = {
  'shell function': async ({ hasShellFunction }) => [
    hasShellFunction
      ? good('shell function', 'is loaded')
      : note(
          'shell function',
          'is not loaded: conda-stage can make copies here, but activate none',
          `eval "$(conda-stage --source)", also in your shell's startup file; fish: conda-stage --source | source`,
        ),
  ],

  'active environment': async ({ env }) => {
    const prefix = env.CONDA_PREFIX
    if (!prefix) return [note('active environment', 'none', 'conda activate NAME, or name one with --prefix=ENV.')]
    const error = await stat(`${prefix}/conda-meta`).then(
      () => undefined,
      (failure: unknown) => failure,
    )
    if (error === undefined) return [good('active environment', prefix)]
    const [what, remedy] = isGone(error)
      ? [
          'gone',
          "'conda-stage --unstage' goes back to the original of a copy; otherwise 'conda deactivate', or open a new shell.",
        ]
      : [
          `can't be read: ${meaningOf(errnoOf(error) ?? String(error))}`,
          "'conda deactivate', or open a shell of your own.",
        ]
    return [bad('active environment', `${prefix} is active, but ${what}`, remedy)]
  },

  'package managers': async ({ env }) => {
    const names = ['conda', 'mamba', 'micromamba', 'pixi']
    const found = await Promise.all(
      names.map(async (name) => {
        const exe = { conda: env.CONDA_EXE, mamba: env.MAMBA_EXE, micromamba: env.MAMBA_EXE, pixi: undefined }[name]
        if (exe?.endsWith(`/${name}`) && (await exists(exe))) return exe
        return await findProgram([name], { env, without: [] })
      }),
    )
    const paths = found.filter((path) => path !== undefined)
    return paths.length > 0
      ? [good('package managers', paths.join(', '))]
      : [note('package managers', 'none of conda, mamba, micromamba and pixi is on PATH', 'Staging works without.')]
  },

  auto_activate: async ({ env, home }) => {
    const root = env.CONDA_EXE && dirname(dirname(env.CONDA_EXE))
    if (!root) return []
    // As conda orders them: the user's file overrules the installation's.
    for (const file of [`${home}/.condarc`, `${home}/.config/conda/condarc`, `${root}/.condarc`]) {
      const values = valuesIn(await readSmall(file, MOST_BYTES).catch(() => Buffer.alloc(0)))
      const value = values.auto_activate ?? values.auto_activate_base
      if (value === false) return [good('auto_activate', `is off (${file})`)]
      if (value !== undefined) break
    }
    return [
      note(
        'auto_activate',
        `conda activates its base environment in each new shell, from ${root}`,
        "'conda config --set auto_activate false' (before conda 25.3: auto_activate_base) makes shells open faster.",
      ),
    ]
  },

  scheduler: async ({ env }): Promise<Finding[]> => {
    const job = jobOf(env)
    if (job) return [good('scheduler', `this is job ${job.id} (${job.variable})`)]
    const program = await findProgram(['squeue', 'qstat', 'bjobs'], { env, without: [] })
    return [good('scheduler', program ? `no job; ${program} is here` : 'no job, and no scheduler here')]
  },
}

const MOST_BYTES = 256 * 1024
