import type { Command } from 'commander'

/** Options of what measures and shows. */
export interface EvidenceOptions {
  /** Behind `--`; empty for actions that take none. */
  command: readonly string[]
}

const MEASURES = ['proof']

export function addEvidenceOptions(command: Command): Command {
  return command.option(
    '--proof',
    "run the command behind '--' from the copy, and count where it looks names up: on local disk or on file servers",
  )
}

/** Checks what goes with these actions. */
export function evidenceOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  command: readonly string[] | undefined,
  usage: (message: string) => Error,
): EvidenceOptions {
  if (!MEASURES.includes(action)) return { command: [] }
  if (!command?.length) throw usage(`--${action} needs a command: conda-stage --${action} -- COMMAND...`)
  for (const name of ['writable', 'nodes', 'mount'])
    if (given[name] !== undefined) throw usage(`--${action} and --${name} can't be combined`)
  return { command }
}
