import { resolve } from 'node:path'
import { StageError } from '../../errors.ts'
import { activePrefix } from '../../model/active.ts'
import { diskFailure } from '../../platform/disk-failure.ts'
import { limitFailure } from '../../platform/limits.ts'
import type { Command, Context } from '../command.ts'
import type { Options } from '../options.ts'
import { errorData, writeJson, writeResult } from '../render/messages.ts'

/** By this status the script of automatic staging knows a failure that was asked for: `on-failure: fail`. */
const FAILED_ON_REQUEST = 3

/** What a stage that fails returns to the shell. */
export function statusOfFailure({ action, onFailure }: Options): number {
  if (action === 'auto') return onFailure === 'fail' ? FAILED_ON_REQUEST : 0
  return onFailure === 'continue' ? 0 : 1
}

/**
 * The command, or, if it fails and the caller is to live, a warning. The original then stays active. A stage that was stopped
 * by a signal did not fail.
 */
export const survivable =
  (command: Command): Command =>
  async (context) => {
    try {
      return await command(context)
    } catch (thrown) {
      const status = statusOfFailure(context.options)
      if (context.signal.aborted || context.options.dryRun || status === 1) throw thrown
      goOn(diskFailure(limitFailure(thrown)), context)
      return [{ op: 'return', status }]
    }
  }

/** Callers that asked for a prefix to work in get the original's. */
function goOn(error: unknown, { options, session, messages }: Context): void {
  const asked = options.prefix === undefined ? undefined : resolve(session.cwd, options.prefix)
  const original = asked ?? activePrefix(session.env)
  const what = original === undefined ? 'Nothing was staged' : `'${original}' was not staged`
  if (!(error instanceof StageError)) messages.error(error)
  if (error instanceof StageError) messages.warning(`${what}: ${error.message}`, error.hint)
  else messages.warning(what)
  if (options.json) writeJson({ skipped: true, original, prefix: asked, error: errorData(error) }, writeResult)
  else if (asked !== undefined) writeResult(`${asked}\n`)
}
