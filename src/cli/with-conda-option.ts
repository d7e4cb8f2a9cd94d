import { Option } from 'commander'

export const withCondaOption = (): Option =>
  new Option('--with-conda', 'also stage the base installation, so that conda itself runs from local disk')

/** Throws what `usage` makes if the option is given where no session gets a copy. As a setting it has no effect there. */
export function checkWithConda(
  given: Readonly<Record<string, unknown>>,
  action: string,
  usage: (message: string) => Error,
): void {
  if (given.withConda === undefined) return
  if (!['stage', 'auto', 'autoStage'].includes(action))
    throw usage('--with-conda works only with --stage and --auto-stage')
  if (given.autoStage === 'disable') throw usage('--with-conda works only with --auto-stage=enable')
  if (action !== 'stage') return
  if (given.prefix !== undefined || given.name !== undefined)
    throw usage("--with-conda changes the conda of your session: it can't be combined with --prefix and --name")
  // The variables of conda reach the programs on all nodes, and name one path.
  if (given.nodes !== undefined) throw usage("--with-conda and --nodes can't be combined")
}
