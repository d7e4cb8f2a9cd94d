import type { Context } from '../command.ts'
import { helpText } from '../options.ts'
import { writeData } from '../render/messages.ts'

export async function helpCommand({ options }: Context): Promise<undefined> {
  const help = helpText()
  writeData(options.json ? `${JSON.stringify({ help })}\n` : help)
}
