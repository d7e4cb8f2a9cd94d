import { resolve } from 'node:path'
import type { Context } from '../command.ts'
import { writeJson, writeResult } from '../render/messages.ts'

/**
 * With CONDA_STAGE=false nothing is done, and nothing is staged where nobody would use the copy. Callers that asked for a prefix to
 * work in get the original's.
 */
export async function skipCommand({ options, session, messages }: Context): Promise<undefined> {
  const { passedOnBy } = session
  // pixi shows a progress bar of its own meanwhile.
  if (passedOnBy && options.action === 'stage')
    messages[passedOnBy === 'pixi' ? 'verbose' : 'info'](`${passedOnBy} only passes variables on: nothing is staged`)
  else messages.info('CONDA_STAGE=false: nothing was done')
  const asked = options.action === 'stage' ? options.prefix : undefined
  const prefix = asked === undefined ? undefined : resolve(session.cwd, asked)
  if (options.json) writeJson({ skipped: true, original: prefix, prefix }, writeResult)
  else if (prefix !== undefined) writeResult(`${prefix}\n`)
}
