import type { ConfigFile } from '../../config/files.ts'
import { keyOf, SETTING_NAMES, settingOf } from '../../config/settings.ts'
import { counted, megabytes } from '../../model/amounts.ts'
import type { Status } from '../../pipeline/status.ts'
import type { Context } from '../command.ts'
import type { Options } from '../options.ts'
import { copiesText } from './copies-text.ts'
import { heading } from './messages.ts'
import { paybackText } from './payback-text.ts'
import { rows } from './rows.ts'
import { shown } from './shown.ts'

export function statusText(status: Status, { session, options }: Pick<Context, 'session' | 'options'>): string {
  const { prefix, isStaged, original, problem, isBase, isLocal, archive, image, payback, autoStage, conda, local } =
    status
  const isVerbose = options.verbosity === 'verbose' || options.verbosity === 'debug'
  return rows([
    ['active environment', prefix ?? 'none'],
    ['staged', isStaged ? `yes, of ${original}` : 'no'],
    ['name of the copy', isStaged && isVerbose ? LENGTH : undefined],
    ['problem', problem],
    ['base', isBase ? 'yes: staged only with CONDA_STAGE_ALLOW_BASE=true' : undefined],
    ['archive', archive && archiveText(archive)],
    ['image', image && archiveText(image)],
    ['original', isLocal ? 'on local disk: a copy gains little' : undefined],
    ['staging', payback && paybackText(payback)],
    ['automatic staging', autoStage && autoStaging(autoStage)],
    ['conda', conda && `runs from ${conda.prefix}, the copy of ${conda.original}`],
    ['local folder', local.path ? `${local.path} (from ${local.source})` : (local.problem ?? 'none')],
    ['shell function', session.shell ? `loaded (${session.shell.dialect})` : 'not loaded'],
  ])
}

const archiveText = ({ path, state, reason }: NonNullable<Status['archive']>): string =>
  `${path} (${[state, reason].filter(Boolean).join(': ')})`

const LENGTH =
  "long, because its path is as long as the original's wherever possible: then paths in files are replaced without moving a byte"

function autoStaging({ enabled, unstage, keepMinutes }: NonNullable<Status['autoStage']>): string {
  if (!enabled) return 'off'
  const later = unstage && keepMinutes ? counted(keepMinutes, 'minute') : undefined
  return `on (the copy is ${unstage ? 'removed' : 'kept'} ${later ? `${later} after it was left` : 'when it is left'})`
}

/** The copies on this node, and archives that nobody needs any more. */
export function leftoversText({ prefix: active, stages, outlived }: Status): string {
  const line = ({ path, bytes, original, isRetired }: Status['outlived'][number]) =>
    `  ${shown(path)} (${megabytes(bytes)})\n    of ${shown(original)}${isRetired ? '' : ', which is gone'}\n`
  const retired = outlived.filter(({ isRetired }) => isRetired).map(line)
  const archives = outlived.filter(({ isRetired }) => !isRetired).map(line)
  return [
    `${heading('copies on this node:')}\n`,
    ...(stages.length > 0 ? [copiesText(stages, active)] : ['  none\n']),
    ...(retired.length > 0 ? [`${heading('retired environments (--restore brings them back):')}\n`, ...retired] : []),
    ...(archives.length > 0
      ? [`${heading('archives without an environment (remove them with rm):')}\n`, ...archives]
      : []),
  ].join('')
}

/** The settings that apply to this call, and where each is from. */
export interface Configuration {
  /** By key: the value (null if there is none), and the option, variable or file that sets it. */
  settings: Record<string, { value: unknown; from: string }>
  files: Pick<ConfigFile, 'path' | 'whose' | 'state' | 'mistakes'>[]
}

export const configurationOf = (options: Options): Configuration => ({
  settings: Object.fromEntries(
    SETTING_NAMES.map((name) => [keyOf(name), { value: asWritten(options[name]), from: options.origins[name] }]),
  ),
  files: options.files.map(({ path, whose, state, mistakes }) => ({ path, whose, state, mistakes })),
})

/** A value as a configuration file would state it. */
const asWritten = (value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? 'unlimited' : (value ?? null))

export function configurationText({ settings, files }: Configuration): string {
  const settingLines = SETTING_NAMES.map((name) => {
    const { value, from } = settings[keyOf(name)]!
    const text = value === null ? settingOf(name).unset : Array.isArray(value) ? value.join(' ') || 'none' : value
    return `  ${keyOf(name).padEnd(26)} ${shown(`${text} (${from})`)}\n`
  })
  const fileLines = files.map(({ path, whose, state }) => `  ${`${whose}:`.padEnd(6)} ${shown(path)} (${state})\n`)
  return [
    `${heading('configuration files:')}\n`,
    ...fileLines,
    `${heading('settings, and where each is from:')}\n`,
    ...settingLines,
  ].join('')
}
