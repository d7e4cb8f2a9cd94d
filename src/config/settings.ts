import type { ArchiveFormat } from '../model/archive-index.ts'

/** What kind of value a setting has; command line, variables and files all go by this. */
export type Kind =
  | { kind: 'flag' }
  | { kind: 'choice'; of: readonly string[] }
  /** A whole number. `unlimited`: that word is taken, too, and means Infinity. */
  | { kind: 'number'; from: number; to: number; unlimited?: true }
  /** An absolute path, or one below the home folder (`~/`), in which these words in braces are replaced. */
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

/** Where values come from, beside the key in a file and the option of the command line that have the setting's own name. */
interface Sources {
  /** Value where nobody says anything. */
  default?: unknown
  /** What happens where nobody says anything and there is no such value, in words. */
  unset?: string
  /** Options without a value, strongest first, and what each means. */
  flags?: Readonly<Record<string, unknown>>
  /** true/false variables, strongest first, and what these two mean where that is not true and false. */
  variables?: Readonly<Record<string, Readonly<{ true?: unknown; false?: unknown }>>>
}

const AS_IT_IS = { true: true, false: false }

/**
 * Every setting: the one place for its name (in files with dashes), its values, its default, its options and variables. The
 * words of --help are in cli/options.ts. What names one environment, file or call is no setting, and neither is --path: in
 * files a list, `local-folders`, takes its place.
 */
export const SETTINGS = {
  localFolders: { kind: 'folders', words: ['user', 'job'], default: [] },
  localFoldersOnly: { kind: 'flag', default: false },
  skipLocal: {
    kind: 'flag',
    unset: 'true in jobs, else false',
    variables: { CONDA_STAGE_SKIP_LOCAL: AS_IT_IS },
  },
  writable: {
    kind: 'flag',
    default: false,
    flags: { writable: true, readOnly: false },
    variables: { CONDA_STAGE_WRITABLE: AS_IT_IS },
  },
  allowBase: { kind: 'flag', default: false, variables: { CONDA_STAGE_ALLOW_BASE: AS_IT_IS } },
  activator: { kind: 'choice', of: ['own', 'conda'], default: 'own' },
  check: { kind: 'choice', of: ['quick', 'full'], default: 'quick' },
  archiveFolder: { kind: 'folder', words: ['user'], unset: 'beside the environment, else the cache folder' },
  format: {
    kind: 'choice',
    of: ['tar.zst', 'tar.gz', 'tar', 'zip'] as const satisfies ArchiveFormat[],
    default: 'tar.zst',
  },
  packer: { kind: 'choice', of: ['own', 'conda-pack'], default: 'own' },
  compressLevel: { kind: 'number', from: 1, to: 19, unset: "the format's own" },
  threads: {
    kind: 'number',
    from: 1,
    to: 1024,
    unset: 'the CPUs we may use',
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

/** A value for every setting; undefined for those without a default that nobody gave one. */
export type Settings = {
  [Name in SettingName]: ValueOf<Table[Name]> | (Table[Name] extends { unset: string } ? undefined : never)
}

export const settingOf = (name: SettingName): Kind & Sources => SETTINGS[name]

/** As it is called in files and, behind two dashes, on the command line. */
export const keyOf = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
