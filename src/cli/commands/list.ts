import { activePrefix } from '../../model/active.ts'
import { listCopies } from '../../pipeline/copies.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { copiesText } from '../render/copies-text.ts'
import { writeData, writeJson } from '../render/messages.ts'

/** Shows what is staged on this node and who uses it. */
export async function listCommand(context: Context): Promise<undefined> {
  const { options, session, signal } = context
  const stages = await listCopies(stageOptions(context))
  // What could not be waited for would be missing without a word.
  signal.throwIfAborted()
  if (options.json) writeJson({ stages })
  else writeData(stages.length === 0 ? 'No copies on this node\n' : copiesText(stages, activePrefix(session.env)))
}
