import { modulefile } from '../../modulefile/modulefile.ts'
import { programVersion } from '../../platform/program.ts'
import type { Context } from '../command.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Prints a modulefile for this installation. */
export async function modulefileCommand({ options, session }: Context): Promise<undefined> {
  const system = options.moduleSystem!
  const text = modulefile(system, session.launcher, programVersion())
  if (options.json) writeJson({ system, modulefile: text })
  else writeData(text)
}
