import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { DialectName } from '../activate/dialects.ts'
import { COMPLETION_SHELLS, type CompletionShell } from '../completion/completion.ts'
import type { CompletableOption } from '../completion/option.ts'
import { type ConfigFile, readConfigFiles } from '../config/files.ts'
import { type Origins, resolveSettings } from '../config/resolve.ts'
import { SETTINGS, type Settings } from '../config/settings.ts'
import { StageError } from '../errors.ts'
import { MODULE_SYSTEMS, type ModuleSystemName } from '../modulefile/modulefile.ts'
import { LAUNCHER_NAMES } from '../nodes/launcher.ts'
import { type AutoOptions, autoOptions, SWITCH } from './auto-options.ts'
import { completable } from './completable.ts'
import { didYouMean } from './did-you-mean.ts'
import { mountOption } from './mount-option.ts'
import { type NodeOptions, nodeOptions, ON_NODE_FAILURE } from './node-options.ts'
import { addPackOptions, askedFormat, packShape, type ShapeOptions } from './pack-options.ts'
import { type RunOptions, runOptions, splitCommand } from './run-options.ts'
import { sourceOption } from './shell-names.ts'
import { checkWithBase, withBaseOption } from './with-base-option.ts'
import { checkWithConda, withCondaOption } from './with-conda-option.ts'
import { addWrapperOptions, type WrapperOptions, wrapperOptions } from './wrapper-options.ts'

/** What a user can ask for; each action has a file in commands/. */
const ACTIONS = [
  'stage',
  'unstage',
  'exec',
  'shell',
  'pack',
  'verify',
  'retire',
  'restore',
  'wrappers',
  'autoStage',
  'source',
  'completion',
  'modulefile',
  'status',
  'list',
  'clean',
  'version',
  'help',
] as const
/**
 * Actions that our own code calls. The shell code calls the first five: when it is back in the original, when conda could not
 * activate the copy, when an environment with automatic staging is activated, when its copy is left, and in the shell that --shell
 * has opened. The program itself
 * calls the last two: to remove the rest of a copy, and on each node of a job.
 */
const INNER = ['finishUnstage', 'abandon', 'auto', 'leave', 'enter', 'sweep', 'onNode'] as const
export type Action = (typeof ACTIONS)[number] | (typeof INNER)[number]

type Variables = Readonly<Record<string, string | undefined>>

export interface Options extends Settings, ShapeOptions, AutoOptions, NodeOptions, RunOptions, WrapperOptions {
  action: Action
  force: boolean
  dryRun: boolean
  /** With --clean: also what is in use. */
  all: boolean
  path?: string
  mount: boolean
  prefix?: string
  /** An archive to stage by itself; or to restore. */
  archive?: string
  json: boolean
  output?: string
  full: boolean
  /** Value of --source, if it has one. */
  dialect?: DialectName
  /** Value of --completion, if it has one. */
  completionShell?: CompletionShell
  /** Value of --modulefile. */
  moduleSystem?: ModuleSystemName
  /** With --finish-unstage: copies that are given back with the one that is left. */
  companions?: string[]
  /** When --unstage began, in milliseconds since 1970. */
  since?: number
  /** Value of --on-node, if it has one. */
  exchange?: string
  /** The source of each setting's value. */
  origins: Origins
  /** The configuration files that were read, with their mistakes. */
  files: ConfigFile[]
}

/** Actions that use no settings. They must work whatever a file or a variable contains. */
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
  'enter',
  'sweep',
  'onNode',
])

/**
 * Reads arguments, then variables, then configuration files, then built-in defaults.
 * @throws StageError USAGE on anything unknown or in conflict. The caller reports mistakes in files.
 */
export async function readOptions(args: readonly string[], variables: Variables, cwd: string): Promise<Options> {
  const command = commandLine()
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
  const { own, command: words } = splitCommand(args)
  try {
    command.parse(own.map(withoutSign), { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) throw mistake(error, command)
    throw error
  }
  const given = command.opts()
  const action = oneAction(given)
  if (given.full && action !== 'version' && action !== 'help') throw usage('--full works only with --version')
  if (given.dryRun && !['stage', 'pack', 'clean', 'retire', 'restore'].includes(action))
    throw usage('--dry-run works only with --stage, --pack, --clean, --retire and --restore')
  if (given.all && action !== 'clean') throw usage('--all works only with --clean')
  for (const name of ['prefix', 'name', 'path', 'output', 'archive'])
    if (given[name] === '') throw usage(`--${name} is empty`)
  if (given.archive !== undefined) checkArchive(given, action)
  checkWithConda(given, action, usage)
  checkWithBase(given, action, usage)
  // A variable with a wrong value must not stop anyone from reading about it.
  const env = action === 'help' ? {} : variables
  const files = WITHOUT_SETTINGS.has(action) ? [] : await readConfigFiles(env, cwd)
  const shape = { action, cwd, usage }
  const format = await askedFormat(given, shape)
  const { settings, origins } = resolveSettings(
    { ...given, format: format === 'tar.bz2' || format === 'sqfs' ? undefined : format },
    env,
    files,
  )
  const prefix = given.name === undefined ? given.prefix : await prefixOf(given.name, env)
  return Object.assign(
    {
      action,
      force: given.force === true,
      dryRun: given.dryRun === true,
      all: given.all === true,
      mount: mountOption(given, action, settings, usage),
      json: given.json === true,
      full: given.full === true,
      ...settings,
      ...packShape(given, settings, { ...shape, format }),
      ...runOptions(given, action, words, usage),
      ...nodeOptions(given, action, settings, usage),
      ...autoOptions(given, action, { env, cwd }, usage),
      ...wrapperOptions(given, action, usage),
      origins,
      files,
    },
    given.path !== undefined && { path: given.path },
    prefix !== undefined && { prefix },
    given.output !== undefined && { output: given.output },
    given.archive !== undefined && { archive: given.archive },
    given.since !== undefined && { since: given.since },
    given.companion !== undefined && { companions: given.companion },
    typeof given.onNode === 'string' && { exchange: given.onNode },
    given.modulefile !== undefined && { moduleSystem: given.modulefile },
    typeof given.completion === 'string' && { completionShell: given.completion as CompletionShell },
    typeof given.source === 'string' && { dialect: given.source as DialectName },
  )
}

/** What --exec and --shell take. */
const HOW = ['strict']

/** Whose environment it is, the archive says. */
function checkArchive(given: Readonly<Record<string, unknown>>, action: Action): void {
  if (action === 'restore') return
  if (!['stage', 'exec', 'shell', 'verify'].includes(action))
    throw usage('--archive works only with --stage, --exec, --shell, --verify and --restore')
  const other = ['prefix', 'name', 'output', 'force', 'check', 'packer'].find((name) => given[name] !== undefined)
  if (other !== undefined) throw usage(`--archive and ${optionOf(other)} can't be combined`)
}

function processNumber(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Give the number of a process.')
}

function minutes(text: string | number): number {
  if (text === Number.POSITIVE_INFINITY || text === 'unlimited') return Number.POSITIVE_INFINITY
  const { from, to } = SETTINGS.keepMinutes
  if (/^\d+$/.test(`${text}`) && Number(text) >= from && Number(text) <= to) return Number(text)
  throw new InvalidArgumentError(`Give a whole number of minutes from ${from} to ${to}, or 'unlimited'.`)
}

async function prefixOf(name: string, env: Variables): Promise<string> {
  const { findByName } = await import('../environment/find-by-name.ts')
  return await findByName(name, env)
}

/** The text of --help. */
export const helpText = (): string => commandLine().helpInformation() + HELP_END

/** The options that --help lists, for completion. */
export const completableOptions = (): CompletableOption[] => completable(commandLine().options)

function commandLine(): Command {
  const command = new Command('conda-stage')
    .description('Stage the active environment to local disk, and work from there.')
    .usage('[action] [options] [-- command]')
    .helpOption(false)
    .configureHelp({ helpWidth: 100 })
    .allowExcessArguments(false)
    .optionsGroup('Actions (without one: --stage):')
    .option('--stage', 'copy the active environment to local disk and activate the copy')
    .option('--unstage', 'go back to the original environment and remove the copy')
    .addOption(
      new Option('--exec [how]', "run the command behind '--' with the copy in the original's own place").choices(HOW),
    )
    .addOption(new Option('--shell [how]', 'open a shell like that; strict: fail if that place is denied').choices(HOW))
    .option('--pack', 'write the archive only, unless it is up to date')
    .option('--verify', 'check the staged copy, or the archive of an environment that is not staged')
    .option('--retire', 'replace an environment by its archive, when that is known to hold all of it')
    .option('--restore', 'bring a retired environment back as it was')
    .option('--wrappers <dir>', "write small programs into DIR/bin that start the environment's programs from its copy")
    .addOption(new Option('--auto-stage <what>', 'stage the environment whenever it is activated').choices(SWITCH))
    .addOption(sourceOption())
    .addOption(new Option('--completion [shell]', 'print shell code that completes options').choices(COMPLETION_SHELLS))
    .addOption(new Option('--modulefile <system>', 'print a modulefile, for administrators').choices(MODULE_SYSTEMS))
    .option('--status', 'show what is active, staged and archived')
    .option('--list', 'show the copies on this node and who uses them')
    .option('--clean', 'remove the copies that nobody uses and what killed calls left')
    .option('-V, --version', 'print the version')
    .option('-h, --help', 'print this help')
    .addOption(new Option('--finish-unstage').hideHelp())
    .addOption(new Option('--abandon').hideHelp())
    .addOption(new Option('--companion <prefix...>').hideHelp())
    .addOption(new Option('--since <ms>').argParser(Number).hideHelp())
    .addOption(new Option('--auto').hideHelp())
    .addOption(new Option('--leave').hideHelp())
    .addOption(new Option('--enter').hideHelp())
    .addOption(new Option('--sweep').hideHelp())
    .addOption(new Option('--on-node [exchange]').hideHelp())
    .optionsGroup('Options:')
    .option('-p, --prefix <env>', 'use this environment instead of the active one, and activate nothing')
    .addOption(new Option('-n, --name <name>', 'use the environment that conda knows by this name').conflicts('prefix'))
    .option('--path <dir>', 'local folder in which to make conda-stage_TOKEN/NAME')
    .option(
      '--mount',
      "mount an image of the environment instead of extracting a copy; if that can't be done here, extract one",
    )
    .option('--nodes <which>', "in a job: make the copy on these nodes, a list such as n1,n2, or 'all'")
    .option(
      '--launcher <how>',
      `with --nodes: what starts programs on the nodes: ${LAUNCHER_NAMES.join(', ')}, or a command such as 'rsh {node}' (default: that of the job's scheduler)`,
    )
    .addOption(
      new Option(
        '--on-node-failure <what>',
        'if a node has no copy in the end: fail (the default), or continue',
      ).choices(ON_NODE_FAILURE),
    )
    .option('--archive <file>', 'stage, verify or restore this archive by itself: its environment need not be there')
    .addOption(new Option('--writable', 'make the copy writable').conflicts('readOnly'))
    .addOption(new Option('--read-only', 'make the copy read-only (the default)'))
    .addOption(
      new Option(
        '--session <pid>',
        'process that uses the copy (default: the calling shell, job or login session)',
      ).argParser(processNumber),
    )
    .option('--in-place', 'with --mount, --exec or --shell: read the image from where it lies, without a copy')
    .option('--private', 'make a copy that nobody else uses')
    .addOption(withCondaOption())
    .addOption(withBaseOption())
    .option('--skip-local', 'do not copy an environment that is on local disk already (the default in jobs)')
    .option('--no-skip-local', 'copy it anyway')
    .addOption(
      new Option('--auto-unstage <what>', 'alone or with --auto-stage: remove the copy when you leave it').choices(
        SWITCH,
      ),
    )
    .option('--prologue <code>', 'with --auto-stage: shell code to run first, for example to load a module')
    .addOption(
      new Option(
        '--keep [minutes]',
        'let the copy stand so long for the next one when nobody uses it any more; without a number: until --unstage',
      )
        .preset(Number.POSITIVE_INFINITY)
        .argParser(minutes),
    )
    .option('-f, --force', 'pack even if the archive is up to date; with --unstage and --retire: ask nothing')
    .option('--dry-run', 'show what would be done, with sizes and an estimate of the time; write nothing')
    .option('--all', 'with --clean: also remove copies that are in use, after a question')
    .option('-o, --output <file>', 'archive file to write, and to stage from')
    .addOption(
      new Option('--check <depth>', 'how thoroughly to look for changes (default: quick)').choices(SETTINGS.check.of),
    )
    .addOption(new Option('--activator <who>', 'who activates the copy (default: own)').choices(SETTINGS.activator.of))
    .addOption(
      new Option('--on-failure <what>', 'if staging fails: go on with the original and succeed, or fail').choices(
        SETTINGS.onFailure.of,
      ),
    )
    .option('--ignore-missing-files', 'do not warn about files that conda installed and that are gone')
    .option('--json', 'print results as JSON on standard output')
    .addOption(new Option('-q, --quiet', 'show only warnings and errors').conflicts(['verbose', 'debug']))
    .option('--verbose', 'show more')
    .option('--debug', 'show everything, with stack traces of errors')
    .option('--full', 'with --version: also print the versions of everything that it runs on')
  return addPackOptions(addWrapperOptions(command).optionsGroup('Archives:'))
}

const HELP_END = `
Variables:
  CONDA_STAGE=false        do nothing, and succeed
  CONDA_STAGE_PATH         same as --path
  CONDA_STAGE_WRITABLE     true: same as --writable; false: same as --read-only
  CONDA_STAGE_WITH_CONDA   true: same as --with-conda
  CONDA_STAGE_WITH_BASE    true: same as --with-base
  CONDA_STAGE_SKIP_LOCAL   true: same as --skip-local; false: same as --no-skip-local
  CONDA_STAGE_SITE_CONFIG  the site's configuration file (default: /etc/conda-stage/config.yaml)
  CONDA_STAGE_VERBOSE      true: same as --verbose; false: same as --quiet
  CONDA_STAGE_DEBUG        true: same as --debug
  CONDA_STAGE_ALLOW_BASE   true: allow the base environment to be staged
  CONDA_STAGE_PROLOGUE     default of --prologue
  CONDA_STAGE_NODE         the Node (22.15 or newer) to run with
  CONDA_STAGE_MKSQUASHFS   the program that makes images: mksquashfs or tar2sqfs
  CONDA_STAGE_SQUASHFUSE   the squashfuse_ll that mounts them
  NO_COLOR                 do not use colours

What stays in your session: the function conda-stage (in bash and sh also __conda_stage; in tcsh an alias). While
a copy is active, also what conda would have set for it: PATH, CONDA_PREFIX, CONDA_DEFAULT_ENV,
CONDA_PROMPT_MODIFIER, PS1 or prompt, and the environment's own variables, with CONDA_STAGE_STAGED=true among
them; after --nodes also CONDA_STAGE_NODES, the nodes that have the copy; after --with-conda also the variables
by which conda is called (CONDA_EXE, _CONDA_EXE, CONDA_PYTHON_EXE, _CONDA_ROOT, CONDA_ROOT), and
MAMBA_ROOT_PREFIX if mamba is there. Of a virtual environment: PATH, VIRTUAL_ENV, VIRTUAL_ENV_PROMPT, the prompt,
and PKG_CONFIG_PATH if it was set. Nothing else.

Exit status: 0 success; 1 failure (the original environment is active and untouched); 2 wrong usage or configuration.
Load the shell function with:  eval "$(conda-stage --source)"
              in fish:         conda-stage --source | source
              in tcsh:         eval "\`conda-stage --source\`"
`

/** conda-pack also takes `-o=FILE`. */
const withoutSign = (arg: string): string => arg.replace(/^(-[a-zA-Z])=/, '$1')

function oneAction(given: Record<string, unknown>): Action {
  const actions: Action[] = [...ACTIONS, ...INNER]
  const asked = actions.filter((action) => given[action] !== undefined)
  // Anyone who asks for help along with something else wants help first.
  if (asked.includes('help')) return 'help'
  if (asked.length > 1) throw usage(`${asked.slice(0, 2).map(optionOf).join(' and ')} can't be combined`)
  return asked[0] ?? (given.autoUnstage === undefined ? 'stage' : 'autoStage')
}

/** Words without dashes are unknown arguments for commander, and the reason that it gives is no help. */
function mistake({ code, message }: CommanderError, command: Command): StageError {
  const names = command.options.flatMap(({ hidden, long }) => (hidden || !long ? [] : [long.replace(/^--/, '')]))
  if (code === 'commander.excessArguments') {
    const [word = ''] = command.args
    return usage(`unknown argument '${word}'${didYouMean(word, names)}`)
  }
  const option = code === 'commander.unknownOption' ? /'(.*)'/s.exec(message)?.[1] : undefined
  if (option !== undefined) return usage(`unknown option '${option}'${didYouMean(option, names)}`)
  return usage(message.replace(/^error: /, ''))
}

const optionOf = (action: string): string => `--${action.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

function usage(message: string): StageError {
  return new StageError('USAGE', message, { hint: "'conda-stage --help' lists all options" })
}
