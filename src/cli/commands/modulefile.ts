import { modulefile } from '../../modulefile/modulefile.ts'
import { programVersion } from '../../platform/program.ts'
import type { Context } from '../command.ts'
import { writeData } from '../render/messages.ts'

/** Prints a modulefile for this installation. */
export async function modulefileCommand({ options, session }: Context): Promise<undefined> {
  const system = options.moduleSystem!
  const text = modulefile(system, session.launcher, programVersion())
  writeData(options.json ? `${JSON.stringify({ system, modulefile: text })}\n` : text)
}
