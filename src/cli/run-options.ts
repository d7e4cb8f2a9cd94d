/** What takes a command of the user's, or opens a shell. */
const RUNS = /^--(?:exec|shell|proof|benchmark)(?:=|$)/

/** Separates our own arguments from a command of the user's, which stands behind `--`. */
export function splitCommand(args: readonly string[]): {
  own: readonly string[]
  command: readonly string[] | undefined
} {
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  if (!own.some((arg) => RUNS.test(arg))) return { own: args, command: undefined }
  return { own, command: end < 0 ? undefined : args.slice(end + 1) }
}

export interface RunOptions {
  /** Rather fail than run from elsewhere than the original's own place. */
  strict: boolean
  /** Read an image from where it lies. */
  inPlace: boolean
}

/** Checks what goes with --exec and --shell. */
export function runOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  command: readonly string[] | undefined,
  usage: (message: string) => Error,
): RunOptions {
  const inPlace = given.inPlace === true
  const strict = given.exec === 'strict' || given.shell === 'strict'
  if (action !== 'exec' && action !== 'shell') {
    if (inPlace && !given.mount) throw usage('--in-place works only with --mount, --exec and --shell')
    return { strict, inPlace }
  }
  if (action === 'exec' && !command?.length) throw usage('--exec needs a command: conda-stage --exec -- COMMAND...')
  if (action === 'shell' && command !== undefined) throw usage('--shell takes no command; --exec does')
  if (given.writable)
    throw usage(`--${action} shows a copy that goes with its last user: it can't be combined with --writable`)
  if (given.json) throw usage(`--${action} prints nothing itself: it can't be combined with --json`)
  return { strict, inPlace }
}
