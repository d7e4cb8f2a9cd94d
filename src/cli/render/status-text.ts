import type { ConfigFile } from '../../config/files.ts'
import { keyOf, SETTING_NAMES, settingOf } from '../../config/settings.ts'
import type { Status } from '../../pipeline/status.ts'
import type { Options } from '../options.ts'
import type { Session } from '../session.ts'

export function statusText(status: Status, session: Session): string {
  const { prefix, isStaged, original, problem, isBase, isLocal, archive, local } = status
  const rows: [string, string | undefined][] = [
    ['active environment', prefix ?? 'none'],
    ['staged', isStaged ? `yes, of ${original}` : 'no'],
    ['problem', problem],
    ['base', isBase ? 'yes: staged only with CONDA_STAGE_ALLOW_BASE=true' : undefined],
    ['archive', archive && `${archive.path} (${[archive.state, archive.reason].filter(Boolean).join(': ')})`],
    ['original', isLocal ? 'on local disk: a copy gains little' : undefined],
    ['local folder', local.path ? `${local.path} (from ${local.source})` : (local.problem ?? 'none')],
    ['shell function', session.shell ? `loaded (${session.shell.dialect})` : 'not loaded'],
  ]
  return rows
    .filter(([, which]) => which !== undefined)
    .map(([what, which]) => `${`${what}:`.padEnd(20)} ${which}\n`)
    .join('')
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
    const shown = value === null ? settingOf(name).unset : Array.isArray(value) ? value.join(' ') || 'none' : value
    return `  ${keyOf(name).padEnd(26)} ${shown} (${from})\n`
  })
  const fileLines = files.map(({ path, whose, state }) => `  ${`${whose}:`.padEnd(6)} ${path} (${state})\n`)
  return ['configuration files:\n', ...fileLines, 'settings, and where each is from:\n', ...settingLines].join('')
}
