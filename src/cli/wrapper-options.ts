import { type Command, InvalidArgumentError, Option } from 'commander'

export interface WrapperOptions {
  /** Folder for wrappers. */
  wrappers?: string
  /** Which programs get one; default: all. */
  programs?: readonly string[]
  /** Name of the kernelspec; empty: that of the environment. */
  kernelspec?: string
  /** In a call of a wrapper: where to note which copy there is. */
  note?: string
}

export const addWrapperOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--programs <names>', 'with --wrappers: only these, such as python,jupyter (default: all)').argParser(
        list,
      ),
    )
    .option('--kernelspec [name]', 'with --wrappers: also give Jupyter a kernel that starts from the copy')
    .addOption(new Option('--note <file>').hideHelp())

function list(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return names
  throw new InvalidArgumentError('Give names, with commas between them.')
}

/** Checks what goes with --wrappers. */
export function wrapperOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  usage: (message: string) => Error,
): WrapperOptions {
  if (typeof given.wrappers === 'string' && /^(?:$|-)/.test(given.wrappers))
    throw usage('--wrappers needs a folder: --wrappers=DIR')
  for (const name of ['programs', 'kernelspec'])
    if (given[name] !== undefined && action !== 'wrappers') throw usage(`--${name} works only with --wrappers`)
  const { wrappers, programs, kernelspec, note } = given
  return {
    ...(typeof wrappers === 'string' && { wrappers }),
    ...(Array.isArray(programs) && { programs }),
    ...(kernelspec !== undefined && { kernelspec: kernelspec === true ? '' : String(kernelspec) }),
    ...(typeof note === 'string' && { note }),
  }
}
