import { completion, isCompletionShell } from '../../completion/completion.ts'
import { StageError } from '../../errors.ts'
import { programOf } from '../../platform/surroundings.ts'
import type { Context } from '../command.ts'
import { completableOptions } from '../command-line.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Prints the shell code that completes our options: for the named shell, else for the calling one. */
export async function completionCommand({ options, session }: Context): Promise<undefined> {
  const shell = options.completionShell ?? programOf(session.parentPid)
  if (!isCompletionShell(shell)) {
    throw new StageError('USAGE', `--completion does not support ${shell || 'the calling shell'}`, {
      hint: 'Name a shell: --completion=bash, --completion=zsh or --completion=fish',
    })
  }
  const code = completion(shell, completableOptions())
  if (options.json) writeJson({ shell, completion: code })
  else writeData(code)
}
