import { type DialectName, isDialect } from '../../activate/dialects.ts'
import { hook } from '../../activate/hook.ts'
import { programOf } from '../../platform/surroundings.ts'
import type { Context } from '../command.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Prints the shell function: for the named shell, else for the calling one if it can be recognised. */
export async function sourceCommand({ options, session }: Context): Promise<undefined> {
  const dialect = options.dialect ?? dialectOf(programOf(session.parentPid))
  const source = hook(dialect, session.launcher)
  if (options.json) writeJson({ dialect, source })
  else writeData(source)
}

/**
 * Other shells get the POSIX function, which works wherever eval "$(...)" does. Any kind of csh gets the code for csh, which
 * reports if that kind is not supported.
 */
function dialectOf(program: string): DialectName {
  if (isDialect(program)) return program
  return program.endsWith('csh') ? 'csh' : 'sh'
}
