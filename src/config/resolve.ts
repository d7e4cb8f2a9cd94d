import { StageError } from '../errors.ts'
import type { ConfigFile, Variables } from './files.ts'
import { keyOf, SETTING_NAMES, type SettingName, type Settings, settingOf } from './settings.ts'

/** For each setting, the option, variable or file that its value is from, or `built-in`. */
export type Origins = Record<SettingName, string>

interface ValueFrom {
  value: unknown
  from: string
}

/**
 * An option beats a variable, which beats the user's file, which beats the site's file, which beats the built-in default.
 * @param given values from the command line, by the names of the settings and of their flags
 * @param files strongest first
 * @throws StageError USAGE if a variable has a value that it does not take
 */
export function resolveSettings(
  given: Readonly<Record<string, unknown>>,
  variables: Variables,
  files: readonly ConfigFile[],
): { settings: Settings; origins: Origins } {
  const found = SETTING_NAMES.map((name): [SettingName, ValueFrom] => [
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

function ofCommandLine(name: SettingName, given: Readonly<Record<string, unknown>>): ValueFrom | undefined {
  const { flags = { [name]: undefined } } = settingOf(name)
  const flag = Object.keys(flags).find((option) => given[option] !== undefined)
  if (flag === undefined) return undefined
  return { value: flags[flag] ?? given[flag], from: `--${keyOf(flag as SettingName)}` }
}

function ofVariables(name: SettingName, variables: Variables): ValueFrom | undefined {
  for (const [variable, means] of Object.entries(settingOf(name).variables ?? {})) {
    const value = { true: means.true, false: means.false, undefined }[`${flag(variable, variables)}`]
    if (value !== undefined) return { value, from: variable }
  }
  return undefined
}

function ofFiles(name: SettingName, files: readonly ConfigFile[]): ValueFrom | undefined {
  const file = files.find(({ values }) => values[name] !== undefined)
  return file && { value: file.values[name], from: file.path }
}

/** Reads a true/false variable; undefined if it is unset or empty. Throws StageError USAGE on anything else. */
export function flag(name: string, variables: Variables): boolean | undefined {
  const value = variables[name]?.toLowerCase()
  if (value === undefined || value === '') return undefined
  if (['true', '1', 'yes', 'on'].includes(value)) return true
  if (['false', '0', 'no', 'off'].includes(value)) return false
  throw new StageError('USAGE', `The variable ${name} is '${variables[name]}'; it takes true or false`, {
    hint: "'conda-stage --help' lists all options and variables",
  })
}
