/** An option of the command line, as far as completion needs to know it. */
export interface CompletableOption {
  /** With their dashes; the long one last. */
  names: string[]
  description: string
  /** What it takes; `undefined` for one that takes nothing. */
  value: Value | undefined
  /** Whether giving it a second time makes sense. */
  repeatable: boolean
}

export interface Value {
  /** What --help calls it. */
  name: string
  kind: 'choice' | 'folder' | 'file' | 'environment' | 'other'
  /** For kind 'choice'. */
  choices: readonly string[]
  optional: boolean
}
