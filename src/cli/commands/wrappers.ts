import { writeWrappers } from '../../pipeline/write-wrappers.ts'
import type { Command } from '../command.ts'
import { packOptions } from '../library-options.ts'
import { writeJson } from '../render/messages.ts'

/** Writes programs that start those of an environment from its copy. */
export const wrappersCommand: Command = async (context) => {
  const { options, session, messages } = context
  const { wrappers, programs, kernelspec } = options
  const result = await writeWrappers({
    ...packOptions(context),
    folder: wrappers!,
    launcher: session.launcher,
    ...(programs && { programs }),
    ...(kernelspec !== undefined && { kernelspec }),
  })
  if (options.json) writeJson(result)
  const { original, folder } = result
  const count = result.programs.length
  messages.info(`Wrote ${count} ${count === 1 ? 'wrapper' : 'wrappers'} for programs of ${original}: ${folder}/bin`)
  for (const spec of result.kernelspecs) messages.info(`Wrote a kernelspec for Jupyter: ${spec}`)
  return undefined
}
