import { completion, isCompletionShell } from '../../completion/completion.ts'
import { StageError } from '../../errors.ts'
import { parentProgram } from '../../platform/surroundings.ts'
import type { Context } from '../command.ts'
import { completableOptions } from '../options.ts'
import { writeData } from '../render/messages.ts'

/** Prints the code that completes our options; without a value for the shell that called us. */
export async function completionCommand({ options, session }: Context): Promise<undefined> {
  const shell = options.completionShell ?? parentProgram(session.parentPid)
  if (!isCompletionShell(shell)) {
    throw new StageError('USAGE', `--completion: there is none for ${shell || 'the shell that called'}`, {
      hint: 'Name the shell it is for: --completion=bash, --completion=zsh or --completion=fish',
    })
  }
  const code = completion(shell, completableOptions())
  writeData(options.json ? `${JSON.stringify({ shell, completion: code })}\n` : code)
}
