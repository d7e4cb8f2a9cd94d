import { resolve } from 'node:path'
import type { Context } from '../command.ts'
import { jsonLine, writeResult } from '../render/messages.ts'

/** With CONDA_STAGE=false nothing is done. Callers that asked for a prefix to work in get the original's. */
export async function skipCommand({ options, session, messages }: Context): Promise<undefined> {
  messages.info('CONDA_STAGE=false: nothing was done')
  const asked = options.action === 'stage' ? options.prefix : undefined
  const prefix = asked === undefined ? undefined : resolve(session.cwd, asked)
  if (options.json) writeResult(jsonLine({ skipped: true, original: prefix, prefix }))
  else if (prefix !== undefined) writeResult(`${prefix}\n`)
}
