import type { EnvironmentKind } from './kind.ts'

/** What pack(), stage() and unstage() report as they work, to renderers and to users of the library. */
export type ProgressEvent =
  /** `environment`: of which kind it is; conda's if that is missing. */
  | { kind: 'phase'; phase: Phase; prefix: string; environment?: EnvironmentKind; archive?: string; target?: string }
  | {
      kind: 'progress'
      phase: 'pack' | 'extract' | 'remove' | 'verify'
      files: number
      totalFiles: number
      /** Both are 0 if only files are counted. */
      bytes: number
      totalBytes: number
    }
  | { kind: 'done'; phase: Phase; seconds: number }
  /** A new archive is in place. It stays, whatever happens next. */
  | { kind: 'archive'; archive: string }
  /** A command of the user's runs from now on: the terminal is its own. */
  | { kind: 'command' }
  | { kind: 'info'; message: string }
  | { kind: 'warning'; message: string }
  /** Shown with --verbose. */
  | { kind: 'detail'; message: string }
  /** Shown with --debug. */
  | { kind: 'debug'; message: string }
  /** Text for people, as it arrives, from a program that does the work for us (conda-pack). */
  | { kind: 'output'; text: string }

export type Phase = 'stage' | 'pack' | 'extract' | 'read-only' | 'remove' | 'verify'

export type OnProgress = (event: ProgressEvent) => void
