/** What pack(), stage() and unstage() tell as they go. Renderers and library users both listen to these. */
export type ProgressEvent =
  | { kind: 'phase'; phase: Phase; prefix: string; archive?: string; target?: string }
  | {
      kind: 'progress'
      phase: 'pack' | 'extract'
      files: number
      totalFiles: number
      bytes: number
      totalBytes: number
    }
  | { kind: 'done'; phase: Phase; seconds: number }
  | { kind: 'info'; message: string }
  | { kind: 'warning'; message: string }
  /** What only the curious want to know. */
  | { kind: 'detail'; message: string }
  | { kind: 'debug'; message: string }
  /** What a program that was called for the work writes for people, as it comes. */
  | { kind: 'output'; text: string }

export type Phase = 'stage' | 'pack' | 'extract' | 'read-only' | 'unstage' | 'remove' | 'activate'

export type OnProgress = (event: ProgressEvent) => void
