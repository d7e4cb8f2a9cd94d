/** What completion needs to know about an option of the command line. */
export interface CompletableOption {
  /** With their dashes. The long name comes last. */
  names: string[]
  description: string
  /** Undefined for an option without a value. */
  value: Value | undefined
  /** Whether it can be given more than once. */
  repeatable: boolean
}

export interface Value {
  /** As in --help. */
  name: string
  kind: 'choice' | 'folder' | 'file' | 'environment' | 'other'
  /** Only for kind 'choice'. */
  choices: readonly string[]
  optional: boolean
}
