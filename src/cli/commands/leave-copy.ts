import { type Left, leave, leaveBaseToPrograms } from '../../pipeline/bind-to-shell.ts'
import { unstage } from '../../pipeline.ts'
import { losesChanges } from '../../stage/changes.ts'
import { findStage } from '../../stage/record.ts'
import type { Context } from '../command.ts'
import { progressOf } from '../library-options.ts'
import { shellWord } from '../render/shell-word.ts'
import { leaveNodes } from './leave-nodes.ts'

/**
 * Gives the leases back that a session has of a copy, and removes the copy if nobody else needs it.
 * @param pid of the session's shell; without one, the leases of dead ones are meant
 * @returns undefined if no lease is bound to this session
 */
export async function leaveCopy(prefix: string, pid: number | undefined, context: Context): Promise<Left | undefined> {
  const { session, messages } = context
  const left = await leave(prefix, pid, session)
  if (left === undefined) return undefined
  if (left.state === 'shared') messages.verbose(`${prefix} stays: others use it`)
  else if (left.state === 'kept') messages.verbose(`${prefix} is kept for the next session`)
  else if (left.state === 'used') messages.info(`Programs still need ${prefix}: it will be removed when they end`)
  else if (left.state === 'last')
    messages.warning(
      `${prefix} is kept, because its original ${left.original} is gone. To remove it: conda-stage --unstage --force --prefix=${shellWord(prefix)}`,
    )
  else if (left.state === 'free' && !(await isKept(prefix, context))) await remove(prefix, context)
  // While programs run from it, the lease stays, and so does what it says.
  if (left.state === 'used') return left
  await leaveNodes(left.lease, prefix, context)
  const { base } = left.lease
  if (base && (await findStage(base.prefix)) && !(await leaveBaseToPrograms(base, session)))
    await unstage({ ...base, cwd: session.cwd, onProgress: progressOf(context) })
  return left
}

/** Of several that leave at the same time, each may see that nobody uses the copy any more. */
async function remove(prefix: string, context: Context): Promise<void> {
  await unstage({ prefix, cwd: context.session.cwd, onProgress: progressOf(context) }).catch(async (error: unknown) => {
    if (await findStage(prefix)) throw error
  })
}

/** Nobody can be asked when a session ends: a copy stays if what the user did in it would be lost. */
async function isKept(prefix: string, { messages }: Context): Promise<boolean> {
  const stage = await findStage(prefix)
  if (!stage || !(await losesChanges(stage))) return false
  messages.warning(
    `${prefix} is kept, because files in it were changed. To remove it: conda-stage --unstage --prefix=${shellWord(prefix)}`,
  )
  return true
}
