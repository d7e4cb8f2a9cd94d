import { UNPACKED_FORMATS } from '../model/archive-index.ts'

/** What kind of value a setting has, on the command line, in variables and in files. */
export type Kind =
  | { kind: 'flag' }
  | { kind: 'choice'; of: readonly string[] }
  /** A whole number. With `unlimited`, that word is accepted too and means Infinity. */
  | { kind: 'number'; from: number; to: number; unlimited?: true }
  /** An absolute path, or one below the home folder (`~/`). These words in braces are replaced in it. */
  | { kind: 'folder'; words: readonly string[] }
  | { kind: 'folders'; words: readonly string[] }

type ValueOf<K> = K extends { kind: 'flag' }
  ? boolean
  : K extends { kind: 'choice'; of: readonly (infer Choice)[] }
    ? Choice
    : K extends { kind: 'number' }
      ? number
      : K extends { kind: 'folder' }
        ? string
        : readonly string[]

/** Sources of a value other than the key in a file and the option that carry the setting's own name. */
interface Sources {
  /** Value if none is given. */
  default?: unknown
  /** In words, what happens if no value is given and there is no default. */
  unset?: string
  /** Options that set this value, strongest first, and the value of each; undefined if the option has its own. */
  flags?: Readonly<Record<string, unknown>>
  /** true/false variables, strongest first, and the values that true and false stand for. */
  variables?: Readonly<Record<string, Readonly<{ true?: unknown; false?: unknown }>>>
}

const TRUE_FALSE = { true: true, false: false }

/**
 * Every setting: the one place for its name (with dashes in files), values, default, options and variables. Its help text
 * is in cli/command-line.ts. An option that is about one environment, file or call is no setting. Neither is --path: files have
 * the list `local-folders` instead.
 */
export const SETTINGS = {
  localFolders: { kind: 'folders', words: ['user', 'job'], default: [] },
  localFoldersOnly: { kind: 'flag', default: false },
  skipLocal: {
    kind: 'flag',
    unset: 'true in jobs, otherwise false',
    variables: { CONDA_STAGE_SKIP_LOCAL: TRUE_FALSE },
  },
  writable: {
    kind: 'flag',
    default: false,
    flags: { writable: true, readOnly: false },
    variables: { CONDA_STAGE_WRITABLE: TRUE_FALSE },
  },
  private: { kind: 'flag', default: false, variables: { CONDA_STAGE_PRIVATE: TRUE_FALSE } },
  withConda: { kind: 'flag', default: false, variables: { CONDA_STAGE_WITH_CONDA: TRUE_FALSE } },
  withBase: { kind: 'flag', default: false, variables: { CONDA_STAGE_WITH_BASE: TRUE_FALSE } },
  keepMinutes: { kind: 'number', from: 0, to: 525_600, unlimited: true, default: 0, flags: { keep: undefined } },
  allowBase: { kind: 'flag', default: false, variables: { CONDA_STAGE_ALLOW_BASE: TRUE_FALSE } },
  activator: { kind: 'choice', of: ['own', 'conda'], default: 'own' },
  check: { kind: 'choice', of: ['quick', 'full'], default: 'quick' },
  onFailure: { kind: 'choice', of: ['continue', 'fail'], unset: 'continue in automatic staging, otherwise fail' },
  archiveFolder: { kind: 'folder', words: ['user'], unset: 'beside the environment, or in the cache folder' },
  format: {
    kind: 'choice',
    of: UNPACKED_FORMATS,
    default: 'tar.zst',
  },
  packer: { kind: 'choice', of: ['own', 'conda-pack'], default: 'own' },
  compressLevel: { kind: 'number', from: 0, to: 19, unset: "the format's own" },
  threads: {
    kind: 'number',
    from: 1,
    to: 1024,
    unset: 'the CPUs available, up to 16',
    flags: { threads: undefined, nThreads: undefined },
  },
  ignoreMissingFiles: { kind: 'flag', default: false },
  ignoreEditablePackages: { kind: 'flag', default: false },
  retentionDays: { kind: 'number', from: 1, to: 36500, unlimited: true, default: 90 },
  retentionArchives: { kind: 'number', from: 1, to: 10000, unlimited: true, default: Number.POSITIVE_INFINITY },
  verbosity: {
    kind: 'choice',
    of: ['quiet', 'normal', 'verbose', 'debug'],
    default: 'normal',
    flags: { quiet: 'quiet', debug: 'debug', verbose: 'verbose' },
    variables: { CONDA_STAGE_DEBUG: { true: 'debug' }, CONDA_STAGE_VERBOSE: { true: 'verbose', false: 'quiet' } },
  },
} as const satisfies Record<string, Kind & Sources>

type Table = typeof SETTINGS
export type SettingName = keyof Table
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** A value for every setting; undefined if none was given and there is no default. */
export type Settings = {
  [Name in SettingName]: ValueOf<Table[Name]> | (Table[Name] extends { unset: string } ? undefined : never)
}

/** What a stage that fails does to its caller. */
export type OnFailure = NonNullable<Settings['onFailure']>

export const settingOf = (name: SettingName): Kind & Sources => SETTINGS[name]

/** Its name in files and, after two dashes, on the command line. */
export const keyOf = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
