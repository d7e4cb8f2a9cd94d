import { Option } from 'commander'

export const withBaseOption = (): Option =>
  new Option(
    '--with-base',
    'also stage the Python that a virtual environment was made from, unless that is on local disk',
  )

/** Throws what `usage` makes if the option is given where it can't do anything. As a setting it has no effect there. */
export function checkWithBase(
  given: Readonly<Record<string, unknown>>,
  action: string,
  usage: (message: string) => Error,
): void {
  if (given.withBase === undefined) return
  if (!['stage', 'exec', 'shell'].includes(action))
    throw usage('--with-base works only with --stage, --exec and --shell')
  const other = ['nodes', 'mount', 'archive'].find((name) => given[name] !== undefined)
  if (other !== undefined) throw usage(`--with-base and --${other} can't be combined`)
}
