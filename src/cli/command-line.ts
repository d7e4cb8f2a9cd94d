import { Command, Help, InvalidArgumentError, Option } from 'commander'
import { COMPLETION_SHELLS } from '../completion/completion.ts'
import type { CompletableOption } from '../completion/option.ts'
import { SETTINGS } from '../config/settings.ts'
import { MODULE_SYSTEMS } from '../modulefile/modulefile.ts'
import { LAUNCHER_NAMES } from '../nodes/launcher.ts'
import { SWITCH } from './auto-options.ts'
import { completable } from './completable.ts'
import { addEvidenceOptions } from './evidence-options.ts'
import { ON_NODE_FAILURE } from './node-options.ts'
import { addPackOptions } from './pack-options.ts'
import { sourceOption } from './shell-names.ts'
import { withBaseOption } from './with-base-option.ts'
import { withCondaOption } from './with-conda-option.ts'
import { addWrapperOptions } from './wrapper-options.ts'

/** What --exec and --shell take. */
const HOW = ['strict']

/** The text of --help. */
export const helpText = (): string => commandLine().helpInformation() + HELP_END

/** The options that --help lists, for completion. */
export const completableOptions = (): CompletableOption[] => completable(commandLine().options)

/** Without what commander says of a value that JSON does not have: the description of --keep says more. */
const optionDescription = (option: Option): string =>
  new Help().optionDescription(option).replace(' (preset: null)', '')

/** All options, with what --help says of them. */
export function commandLine(): Command {
  const command = new Command('conda-stage')
    .description('Stage the active environment to local disk, and work from there.')
    .usage('[action] [options] [-- command]')
    .helpOption(false)
    .configureHelp({ helpWidth: 100, optionDescription })
    .allowExcessArguments(false)
    .optionsGroup('Actions (without one: --stage):')
    .option('--stage', 'copy the active environment to local disk and activate the copy')
    .option('--unstage', 'go back to the original environment and remove the copy')
    .addOption(
      new Option(
        '--exec [how]',
        "run the command after '--' with the copy in the original's own place; strict: fail if that is not possible",
      ).choices(HOW),
    )
    .addOption(
      new Option('--shell [how]', "open a shell with the copy in the original's own place; strict: as above").choices(
        HOW,
      ),
    )
    .option('--pack', 'write the archive only, unless it is up to date')
    .option('--verify', 'check the staged copy, or the archive of an environment that is not staged')
    .option('--retire', 'replace an environment with its archive, after checking that the archive holds all of it')
    .option('--restore', 'bring a retired environment back as it was')
    .option('--wrappers <dir>', "write small programs into DIR/bin that start the environment's programs from its copy")
    .addOption(new Option('--auto-stage <what>', 'stage the environment whenever it is activated').choices(SWITCH))
    .addOption(sourceOption())
    .addOption(new Option('--completion [shell]', 'print shell code that completes options').choices(COMPLETION_SHELLS))
    .addOption(new Option('--modulefile <system>', 'print a modulefile, for administrators').choices(MODULE_SYSTEMS))
    .option('--status', 'show what is active, staged and archived')
    .option('--list', 'show the copies on this node and who uses them')
    .option('--clean', 'remove the copies that nobody uses, and what killed calls have left')
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
      new Option('--on-node-failure <what>', 'if a node gets no copy: fail (the default), or continue').choices(
        ON_NODE_FAILURE,
      ),
    )
    .option('--archive <file>', 'stage, verify or restore this archive, whether its environment is there or not')
    .addOption(new Option('--writable', 'make the copy writable').conflicts('readOnly'))
    .addOption(new Option('--read-only', 'make the copy read-only (the default)'))
    .addOption(
      new Option(
        '--session <pid>',
        'process that uses the copy (default: the calling shell, job or login session)',
      ).argParser(processNumber),
    )
    .option('--in-place', 'with --mount, --exec or --shell: read the image where it is, instead of copying it')
    .option('--private', 'make a copy that nobody else uses')
    .addOption(withCondaOption())
    .addOption(withBaseOption())
    .option('--skip-local', 'use an environment as it is if it is already on local disk (the default in jobs)')
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
        'keep the copy for this many minutes after its last user has left; without a number: until --unstage',
      )
        .preset(Number.POSITIVE_INFINITY)
        .argParser(minutes),
    )
    .option('-f, --force', 'pack even if the archive is up to date; with --unstage, --clean and --retire: do not ask')
    .option('--dry-run', 'show what would be done, with sizes and an estimate of the time; write nothing')
    .option('--all', 'with --clean: also remove copies that are in use, after asking')
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
    .option('--ignore-missing-files', 'do not warn about missing files that conda has installed')
    .option('--json', 'print results as JSON on standard output')
    .addOption(new Option('-q, --quiet', 'show only warnings and errors').conflicts(['verbose', 'debug']))
    .option('--verbose', 'show more')
    .option('--debug', 'show everything, with stack traces of errors')
    .option('--full', 'with --version: also print the versions of everything that it runs on')
  addPackOptions(addWrapperOptions(command).optionsGroup('Archives:'))
  return addEvidenceOptions(command.optionsGroup('Actions that measure:'))
}

const HELP_END = `
Variables:
  CONDA_STAGE=false        do nothing, and succeed
  CONDA_STAGE_PATH         same as --path
  CONDA_STAGE_WRITABLE     true: same as --writable; false: same as --read-only
  CONDA_STAGE_PRIVATE      true: same as --private
  CONDA_STAGE_WITH_CONDA   true: same as --with-conda
  CONDA_STAGE_WITH_BASE    true: same as --with-base
  CONDA_STAGE_SKIP_LOCAL   true: same as --skip-local; false: same as --no-skip-local
  CONDA_STAGE_SITE_CONFIG  the site's configuration file (default: /etc/conda-stage/config.yaml)
  CONDA_STAGE_VERBOSE      true: same as --verbose; false: same as --quiet
  CONDA_STAGE_DEBUG        true: same as --debug
  CONDA_STAGE_ALLOW_BASE   true: allow the base environment to be staged
  CONDA_STAGE_PROLOGUE     default of --prologue
  CONDA_STAGE_POOL         requests to the file server at once (default: 128)
  CONDA_STAGE_NODE         the Node (22.15 or newer) to run with
  CONDA_STAGE_MKSQUASHFS   the program that makes images: mksquashfs or tar2sqfs
  CONDA_STAGE_SQUASHFUSE   the squashfuse_ll that mounts them
  CONDA_STAGE_STRACE       the strace of --proof
  NO_COLOR                 do not use colours

What your session gets: the function conda-stage (in bash and sh also __conda_stage; in tcsh an alias), and nothing
else until a copy is active. Then it gets what conda would set for the copy: PATH, CONDA_PREFIX, CONDA_DEFAULT_ENV,
CONDA_PROMPT_MODIFIER, PS1 or prompt, and the environment's own variables, with CONDA_STAGE_STAGED=true among them.
--nodes adds CONDA_STAGE_NODES, the nodes that have the copy. --with-conda adds the variables by which conda is
called (CONDA_EXE, _CONDA_EXE, CONDA_PYTHON_EXE, _CONDA_ROOT, CONDA_ROOT), and MAMBA_ROOT_PREFIX if mamba is there.
For a virtual environment, it gets PATH, VIRTUAL_ENV, VIRTUAL_ENV_PROMPT, the prompt, and PKG_CONFIG_PATH if it was set.

Exit status: 0 success; 1 failure (the original environment is active and untouched); 2 wrong usage or configuration.
--doctor and --verify: 1 if something is wrong. --benchmark and --proof: 1 if the command fails.
--exec, --shell and programs of --wrappers: the exit status of the command.
Load the shell function with:  eval "$(conda-stage --source)"
              in fish:         conda-stage --source | source
              in tcsh:         eval "\`conda-stage --source\`"
`

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
