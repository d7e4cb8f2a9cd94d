import { Command, CommanderError, Option } from 'commander'
import { type DialectName, dialects } from '../activate/dialects.ts'
import { COMPLETION_SHELLS, type CompletionShell } from '../completion/completion.ts'
import type { CompletableOption } from '../completion/option.ts'
import { type ConfigFile, readConfigFiles } from '../config/files.ts'
import { type Origins, resolveSettings } from '../config/resolve.ts'
import { SETTINGS, type Settings } from '../config/settings.ts'
import { StageError } from '../errors.ts'
import { MODULE_SYSTEMS, type ModuleSystemName } from '../modulefile/modulefile.ts'
import { type AutoOptions, autoOptions, SWITCH } from './auto-options.ts'
import { completable } from './completable.ts'
import { addPackOptions, formatOf, packShape, type ShapeOptions } from './pack-options.ts'

/** What can be asked for; each is a file in commands/. */
export const ACTIONS = [
  'stage',
  'unstage',
  'pack',
  'verify',
  'autoStage',
  'source',
  'completion',
  'modulefile',
  'status',
  'version',
  'help',
] as const
/**
 * Called by our own shell code: when it is back in the original, when conda could not activate the copy, when an environment with
 * automatic staging is activated, and when its copy is left. And by ourselves, to remove what is left of a copy.
 */
const INNER = ['finishUnstage', 'abandon', 'auto', 'leave', 'sweep'] as const
export type Action = (typeof ACTIONS)[number] | (typeof INNER)[number]

type Variables = Readonly<Record<string, string | undefined>>

export interface Options extends Settings, ShapeOptions, AutoOptions {
  action: Action
  force: boolean
  path?: string
  prefix?: string
  json: boolean
  keep: boolean
  output?: string
  full: boolean
  /** Value of --source, if it was given one. */
  dialect?: DialectName
  /** Value of --completion, if it was given one. */
  completionShell?: CompletionShell
  /** Value of --modulefile. */
  moduleSystem?: ModuleSystemName
  /** When --unstage began, in milliseconds since 1970. */
  since?: number
  /** Where each setting's value is from. */
  origins: Origins
  /** Where settings were looked for, with what is mistaken there. */
  files: ConfigFile[]
}

/** What has no use for settings, and must work whatever stands in a file or a variable. */
const WITHOUT_SETTINGS: ReadonlySet<Action> = new Set([
  'help',
  'version',
  'source',
  'completion',
  'modulefile',
  'finishUnstage',
  'abandon',
  'autoStage',
  'leave',
  'sweep',
])

/**
 * Reads arguments, then variables, then configuration files, then built-in defaults.
 * @throws StageError USAGE on anything unknown or in conflict; mistakes in files are for the caller to tell
 */
export async function readOptions(args: readonly string[], variables: Variables, cwd: string): Promise<Options> {
  const command = commandLine()
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) throw usage(error.message.replace(/^error: /, ''))
    throw error
  }
  const given = command.opts()
  const action = oneAction(given)
  if (given.full && action !== 'version' && action !== 'help') throw usage('--full goes with --version only')
  for (const name of ['prefix', 'path', 'output']) if (given[name] === '') throw usage(`--${name} is empty`)
  // A variable with a wrong value must not keep anyone from reading about it.
  const env = action === 'help' ? {} : variables
  const files = WITHOUT_SETTINGS.has(action) ? [] : await readConfigFiles(env, cwd)
  const format = given.format ?? formatOf(given.output) ?? (given.packer === 'conda-pack' ? 'tar.gz' : undefined)
  const { settings, origins } = resolveSettings({ ...given, format }, env, files)
  return Object.assign(
    {
      action,
      force: given.force === true,
      json: given.json === true,
      keep: given.keep === true,
      full: given.full === true,
      ...settings,
      ...packShape(given, settings, action, usage),
      ...autoOptions(given, action, cwd, usage),
      origins,
      files,
    },
    given.path !== undefined && { path: given.path },
    given.prefix !== undefined && { prefix: given.prefix },
    given.output !== undefined && { output: given.output },
    given.since !== undefined && { since: given.since },
    given.modulefile !== undefined && { moduleSystem: given.modulefile },
    typeof given.completion === 'string' && { completionShell: given.completion as CompletionShell },
    typeof given.source === 'string' && { dialect: given.source as DialectName },
  )
}

/** The text of --help. */
export const helpText = (): string => commandLine().helpInformation() + HELP_END

/** The options that --help lists, for completion. */
export const completableOptions = (): CompletableOption[] => completable(commandLine().options)

function commandLine(): Command {
  const command = new Command('conda-stage')
    .description('Stage the active conda environment to local disk, and work from there.')
    .usage('[action] [options]')
    .helpOption(false)
    .configureHelp({ helpWidth: 100 })
    .allowExcessArguments(false)
    .optionsGroup('Actions (without one: --stage):')
    .option('--stage', 'copy the active environment to local disk and activate the copy')
    .option('--unstage', 'go back to the original environment and remove the copy')
    .option('--pack', 'write the archive only; tells if it is fresh already')
    .option('--verify', 'scan the staged copy for the original prefix and for changed bytes')
    .addOption(new Option('--auto-stage <what>', 'stage the environment whenever it is activated').choices(SWITCH))
    .addOption(new Option('--source [shell]', "print the shell function, for 'eval'").choices(Object.keys(dialects)))
    .addOption(
      new Option('--completion [shell]', 'print code that completes options and values').choices(COMPLETION_SHELLS),
    )
    .addOption(new Option('--modulefile <system>', 'print a modulefile, for administrators').choices(MODULE_SYSTEMS))
    .option('--status', 'tell what is active, staged and archived')
    .option('--version', 'print the version (with --full: of all that takes part)')
    .option('--help', 'print this help')
    .addOption(new Option('--finish-unstage').hideHelp())
    .addOption(new Option('--abandon').hideHelp())
    .addOption(new Option('--since <ms>').argParser(Number).hideHelp())
    .addOption(new Option('--auto').hideHelp())
    .addOption(new Option('--leave').hideHelp())
    .addOption(new Option('--sweep').hideHelp())
    .addOption(new Option('--session <pid>').argParser(Number).hideHelp())
    .optionsGroup('Options:')
    .option('--prefix <env>', 'this environment rather than the active one; nothing is activated')
    .option('--path <dir>', 'local folder in which conda-stage_TOKEN/NAME is made')
    .addOption(new Option('--writable', 'let the copy be written to').conflicts('readOnly'))
    .addOption(new Option('--read-only', 'make the copy read-only (the default)'))
    .option('--skip-local', 'use an environment that lies on local disk as it is (the default in jobs)')
    .option('--no-skip-local', 'stage it all the same')
    .addOption(
      new Option('--auto-unstage <what>', 'with --auto-stage: remove the copy when it is left').choices(SWITCH),
    )
    .option('--prologue <code>', 'with --auto-stage: shell code to run first, for example to load a module')
    .option('--keep', 'keep the copy when this session ends or leaves it')
    .option('--force', 'pack even if the archive is fresh')
    .option('--output <file>', 'write the archive to, and look for it at, this file')
    .addOption(new Option('--check <depth>', 'how to see changes (default: quick)').choices(SETTINGS.check.of))
    .addOption(new Option('--activator <who>', 'who activates (default: own)').choices(SETTINGS.activator.of))
    .option('--ignore-missing-files', 'no warning about files that conda installed and that are gone')
    .option('--json', 'results as JSON on standard output')
    .addOption(new Option('--quiet', 'only warnings and errors').conflicts(['verbose', 'debug']))
    .option('--verbose', 'tell more')
    .option('--debug', 'tell everything, and stacks of errors')
    .option('--full', 'with --version: versions of all that takes part')
  return addPackOptions(command.optionsGroup('Archives:'))
}

const HELP_END = `
Variables:
  CONDA_STAGE=false        do nothing, and succeed
  CONDA_STAGE_PATH         as --path
  CONDA_STAGE_WRITABLE     true as --writable, false as --read-only
  CONDA_STAGE_SKIP_LOCAL   true as --skip-local, false as --no-skip-local
  CONDA_STAGE_SITE_CONFIG  the site's configuration file, rather than /etc/conda-stage/config.yaml
  CONDA_STAGE_VERBOSE      true as --verbose, false as --quiet
  CONDA_STAGE_DEBUG        true as --debug
  CONDA_STAGE_ALLOW_BASE   true: the base environment may be staged
  CONDA_STAGE_NODE         the Node (22.15 or newer) to run with
  NO_COLOR                 no colours

What stays in the session: the function conda-stage (in bash and sh with __conda_stage behind it, in tcsh an
alias) and, while a copy is active, what conda would have set for it (PATH, CONDA_PREFIX, CONDA_DEFAULT_ENV,
CONDA_PROMPT_MODIFIER, PS1 or prompt, the environment's own variables). Nothing else.

Exit status: 0 done; 1 failed, the original environment is active and untouched; 2 wrong usage or configuration.
Load the shell function with:  eval "$(conda-stage --source)"
              in fish:         conda-stage --source | source
              in tcsh:         eval "\`conda-stage --source\`"
`

function oneAction(given: Record<string, unknown>): Action {
  const actions: Action[] = [...ACTIONS, ...INNER]
  const asked = actions.filter((action) => given[action] !== undefined)
  // --help wins over all: who asks for help along with something else wants help first.
  if (asked.includes('help')) return 'help'
  if (asked.length > 1) throw usage(`${asked.slice(0, 2).map(optionOf).join(' and ')} exclude one another`)
  return asked[0] ?? 'stage'
}

const optionOf = (action: string): string => `--${action.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

function usage(message: string): StageError {
  return new StageError('USAGE', message, { hint: "'conda-stage --help' lists what there is" })
}
