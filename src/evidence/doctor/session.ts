import { dirname } from 'node:path'
import { wordPosix } from '../../activate/quote.ts'
import { activePrefix } from '../../model/active.ts'
import { errnoOf, meaningOf } from '../../platform/errno.ts'
import { findProgram } from '../../platform/find-program.ts'
import { jobOf } from '../../platform/job.ts'
import { exists, readdir, stat } from '../../platform/remote-fs.ts'
import { isGone } from '../../platform/unreadable.ts'
import { findStage } from '../../stage/record.ts'
import { type CondaSetting, condaSetting } from './condarc.ts'
import { bad, type Check, type Finding, good, note } from './finding.ts'

/** The session: who called us, what is active, which package managers there are. */
export const sessionChecks: Readonly<Record<string, Check>> = {
  'shell function': async ({ hasShellFunction }) => [
    hasShellFunction
      ? good('shell function', 'is loaded')
      : note(
          'shell function',
          "is not loaded: conda-stage can make copies here, but can't activate them",
          `eval "$(conda-stage --source)", also in your shell's startup file; fish: conda-stage --source | source`,
        ),
  ],

  configuration: async ({ files }) =>
    files
      .filter(({ mistakes }) => mistakes.length > 0)
      .map(({ path, state, mistakes: [first] }) => {
        const where = first!.line === undefined ? '' : `, line ${first!.line}`
        const says = `${path}${where}: ${first!.key === undefined ? '' : `${first!.key}: `}${first!.message}`
        const remedy =
          state === 'silent'
            ? 'XDG_CONFIG_HOME and CONDA_STAGE_SITE_CONFIG name other folders and files.'
            : 'Correct that file or remove it; docs/configuration.md lists its settings.'
        return bad('configuration', says, remedy)
      }),

  'active environment': async ({ env }) => {
    const prefix = activePrefix(env)
    if (!prefix) return [note('active environment', 'none', 'conda activate NAME, or name one with --prefix=ENV.')]
    const copy = await findStage(prefix)
    if (copy) return [good('active environment', `${prefix}, the copy of ${copy.record.original}`)]
    const failures = await Promise.all(
      ['conda-meta', 'pyvenv.cfg'].map((mark) =>
        stat(`${prefix}/${mark}`).then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    )
    if (failures.includes(undefined)) return [good('active environment', prefix)]
    const is = (what: string, remedy: string) => [bad('active environment', `${prefix} is active, but ${what}`, remedy)]
    const leave = "'conda deactivate', or open a shell of your own."
    const unreadable = failures.find((error) => !isGone(error))
    if (unreadable) return is(`can't be read: ${meaningOf(errnoOf(unreadable) ?? String(unreadable))}`, leave)
    if (await exists(prefix)) return is('is no environment: it has no conda-meta folder and no pyvenv.cfg', leave)
    return is(
      'gone',
      "'conda-stage --unstage' goes back to the original of a copy; otherwise 'conda deactivate', or open a new shell.",
    )
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
      : [
          note(
            'package managers',
            'none of conda, mamba, micromamba and pixi is on PATH',
            'Staging works without them.',
          ),
        ]
  },

  auto_activate: async ({ env, home }) => {
    const root = env.CONDA_EXE && dirname(dirname(env.CONDA_EXE))
    if (!root) return []
    const set = await condaSetting(['auto_activate', 'auto_activate_base'], { env, home, root })
    if (set && isOff(set.value)) return [good('auto_activate', `is off (${set.source})`)]
    const says = `conda activates its base environment in each new shell, from ${root}`
    return [note('auto_activate', says, `${await switchingOff(set, root)} makes shells open faster.`)]
  },

  scheduler: async ({ env }): Promise<Finding[]> => {
    const job = jobOf(env)
    if (job) return [good('scheduler', `this is job ${job.id} (${job.variable})`)]
    const program = await findProgram(['squeue', 'qstat', 'bjobs'], { env, without: [] })
    return [good('scheduler', program ? `no job; ${program} is here` : 'no job, and no scheduler here')]
  },
}

/** conda takes the words of YAML 1.1, too. conda/auxlib/type_coercion.py: `BOOLISH_FALSE`. */
const isOff = (value: unknown): boolean => /^(?:false|off|no?|non|none|0)?$/i.test(String(value))

/** The words that do that: `conda config --set` writes the user's file, which does not count if something comes after it. */
async function switchingOff(set: CondaSetting | undefined, root: string): Promise<string> {
  if (set?.isVariable) return `'unset ${set.source}'`
  // auto_activate came with conda 25.3. Without a record nobody knows the version: then it came from a registry of Python packages.
  const names = await readdir(`${root}/conda-meta`).catch(() => [])
  const [, year, month] = names.map((name) => /^conda-(\d+)\.(\d+)\.\d+-/.exec(name)).find((found) => found) ?? []
  const isOld = year !== undefined && Number(year) * 100 + Number(month) < 2503
  const file = set?.isFinal ? `--file ${wordPosix(set.source)} ` : ''
  return `'conda config ${file}--set ${isOld ? 'auto_activate_base' : 'auto_activate'} false'`
}
