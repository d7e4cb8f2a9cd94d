import { type Command, CommanderError } from 'commander'
import type { DialectName } from '../activate/dialects.ts'
import type { CompletionShell } from '../completion/completion.ts'
import { type ConfigFile, readConfigFiles } from '../config/files.ts'
import { type Origins, resolveSettings } from '../config/resolve.ts'
import type { Settings } from '../config/settings.ts'
import { StageError } from '../errors.ts'
import type { ModuleSystemName } from '../modulefile/modulefile.ts'
import { type AutoOptions, autoOptions } from './auto-options.ts'
import { commandLine } from './command-line.ts'
import { didYouMean } from './did-you-mean.ts'
import { type EvidenceOptions, evidenceOptions } from './evidence-options.ts'
import { withHome } from './home-paths.ts'
import { mountOption } from './mount-option.ts'
import { type NodeOptions, nodeOptions } from './node-options.ts'
import { askedFormat, packShape, type ShapeOptions } from './pack-options.ts'
import { type RunOptions, runOptions, splitCommand } from './run-options.ts'
import { checkWithBase } from './with-base-option.ts'
import { checkWithConda } from './with-conda-option.ts'
import { type WrapperOptions, wrapperOptions } from './wrapper-options.ts'

/** What a user can ask for; each action has a file in commands/. */
const ACTIONS = [
  'stage',
  'unstage',
  'exec',
  'shell',
  'proof',
  'benchmark',
  'doctor',
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

export interface Options
  extends Settings,
    ShapeOptions,
    AutoOptions,
    NodeOptions,
    RunOptions,
    WrapperOptions,
    EvidenceOptions {
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
  const given = withHome(command.opts(), variables)
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
  const files = WITHOUT_SETTINGS.has(action) ? [] : await readConfigFiles(env, cwd, action === 'doctor')
  const shape = { action, cwd, usage }
  const format = await askedFormat(given, shape)
  const { settings, origins } = resolveSettings(
    { ...given, format: format === 'tar.bz2' || format === 'sqfs' ? undefined : format },
    env,
    files,
  )
  const prefix = given.name === undefined ? given.prefix : await prefixOf(given.name as string, env, action)
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
      ...evidenceOptions(given, action, words, { cwd, usage }),
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

/** Whose environment it is, the archive says. */
function checkArchive(given: Readonly<Record<string, unknown>>, action: Action): void {
  if (action === 'restore') return
  if (!['stage', 'exec', 'shell', 'verify'].includes(action))
    throw usage('--archive works only with --stage, --exec, --shell, --verify and --restore')
  const other = ['prefix', 'name', 'output', 'force', 'check', 'packer'].find((name) => given[name] !== undefined)
  if (other !== undefined) throw usage(`--archive and ${optionOf(other)} can't be combined`)
}

async function prefixOf(name: string, env: Variables, action: Action): Promise<string> {
  const { findByName } = await import('../environment/find-by-name.ts')
  if (action !== 'doctor') return await findByName(name, env)
  const { inTime } = await import('../platform/patience.ts')
  return await inTime(findByName(name, env))
}

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
