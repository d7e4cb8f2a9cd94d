import { StageError } from '../errors.ts'
import type { ConfigFile } from './files.ts'
import { keyOf, SETTING_NAMES, type SettingName, type Settings, settingOf } from './settings.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** For each setting the option, variable or file that its value is from; `built-in` where there is none. */
export type Origins = Record<SettingName, string>

interface Found {
  value: unknown
  from: string
}

/**
 * Option over variable over the user's file over the site's file over the built-in default.
 * @param given what the command line has, by the names of the settings and of their flags
 * @param files strongest first
 * @throws StageError USAGE where a variable has a value that it does not take
 */
export function resolveSettings(
  given: Readonly<Record<string, unknown>>,
  variables: Variables,
  files: readonly ConfigFile[],
): { settings: Settings; origins: Origins } {
  const found = SETTING_NAMES.map((name): [SettingName, Found] => [
    name,
    ofCommandLine(name, given) ??
      ofVariables(name, variables) ??
      ofFiles(name, files) ?? { value: settingOf(name).default, from: 'built-in' },
  ])
  return {
    settings: Object.fromEntries(found.map(([name, { value }]) => [name, value])) as Settings,
    origins: Object.fromEntries(found.map(([name, { from }]) => [name, from])) as Origins,
  }
}

function ofCommandLine(name: SettingName, given: Readonly<Record<string, unknown>>): Found | undefined {
  const { flags = { [name]: undefined } } = settingOf(name)
  const flag = Object.keys(flags).find((option) => given[option] !== undefined)
  if (flag === undefined) return undefined
  return { value: flags[flag] ?? given[flag], from: `--${keyOf(flag as SettingName)}` }
}

function ofVariables(name: SettingName, variables: Variables): Found | undefined {
  for (const [variable, means] of Object.entries(settingOf(name).variables ?? {})) {
    const value = { true: means.true, false: means.false, undefined }[`${flag(variable, variables)}`]
    if (value !== undefined) return { value, from: variable }
  }
  return undefined
}

function ofFiles(name: SettingName, files: readonly ConfigFile[]): Found | undefined {
  const file = files.find(({ values }) => values[name] !== undefined)
  return file && { value: file.values[name], from: file.path }
}

/** Reads a true/false variable; undefined where it is not set or empty. Throws StageError USAGE on anything else. */
export function flag(name: string, variables: Variables): boolean | undefined {
  const value = variables[name]?.toLowerCase()
  if (value === undefined || value === '') return undefined
  if (['true', '1', 'yes', 'on'].includes(value)) return true
  if (['false', '0', 'no', 'off'].includes(value)) return false
  throw new StageError('USAGE', `The variable ${name} is '${variables[name]}'; it takes true or false`, {
    hint: "'conda-stage --help' lists all options and variables",
  })
}
