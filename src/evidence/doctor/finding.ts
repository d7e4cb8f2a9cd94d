import type { ConfigFile } from '../../config/files.ts'
import type { StageOptions } from '../../pipeline/options.ts'

/** What was found in one place. */
export interface Finding {
  /** What was looked at. */
  check: string
  /** `bad`: something is broken; `note`: something could be better, or is worth knowing. */
  state: 'good' | 'note' | 'bad'
  says: string
  /** What to do. Each that is bad has one. */
  remedy?: string
}

export interface DoctorOptions extends StageOptions {
  env: NonNullable<StageOptions['env']>
  cwd: string
  /** The shell function has called us. */
  hasShellFunction: boolean
  /** The configuration files, with their mistakes. */
  files: readonly ConfigFile[]
  /** The setting: virtual environments are staged with their Python. */
  withBase: boolean
}

/** Where to look. */
export interface Patient extends DoctorOptions {
  uid: number
  home: string
  /** The environment that is active or named; its original, if it is a copy. */
  original: string | undefined
  /** Of folders that were asked at the beginning: whether nobody answers for this one. */
  isSilent(folder: string): boolean
}

export type Check = (patient: Patient) => Promise<Finding[]>

export const good = (check: string, says: string): Finding => ({ check, state: 'good', says })
export const note = (check: string, says: string, remedy?: string): Finding => ({
  check,
  state: 'note',
  says,
  ...(remedy !== undefined && { remedy }),
})
export const bad = (check: string, says: string, remedy: string): Finding => ({ check, state: 'bad', says, remedy })
