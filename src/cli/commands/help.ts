import type { Context } from '../command.ts'
import { helpText } from '../command-line.ts'
import { heading, writeData, writeJson } from '../render/messages.ts'

export async function helpCommand({ options }: Context): Promise<undefined> {
  // The titles of its parts end with a colon and begin at the left.
  const help = helpText().replaceAll(/^\S.*:$/gm, heading)
  if (options.json) writeJson({ help })
  else writeData(help)
}
