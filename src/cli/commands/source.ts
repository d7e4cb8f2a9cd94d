import { type DialectName, isDialect } from '../../activate/dialects.ts'
import { hook } from '../../activate/hook.ts'
import { parentProgram } from '../../platform/surroundings.ts'
import type { Context } from '../command.ts'
import { writeData } from '../render/messages.ts'

/** Prints the shell function; without a value for the shell that called us, where it can be told. */
export async function sourceCommand({ options, session }: Context): Promise<undefined> {
  const dialect = options.dialect ?? dialectOf(parentProgram(session.parentPid))
  const source = hook(dialect, session.launcher)
  writeData(options.json ? `${JSON.stringify({ dialect, source })}\n` : source)
}

/**
 * Any other shell gets the POSIX function, which works wherever eval "$(...)" does, but not in a csh of whatever name: that of csh
 * says so there.
 */
function dialectOf(program: string): DialectName {
  if (isDialect(program)) return program
  return program.endsWith('csh') ? 'csh' : 'sh'
}
