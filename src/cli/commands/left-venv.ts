import type { Step } from '../../activate/steps.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { leasesOfCaller } from '../../leases/holder.ts'
import { type HeldLease, leasesOf } from '../../leases/lease.ts'
import { boundOf } from '../../pipeline/bind-to-shell.ts'
import { stagesOnThisNode } from '../../pipeline/known-stages.ts'
import type { StageResult } from '../../pipeline/options.ts'
import { fillIn } from '../../pipeline/original.ts'
import { unstage } from '../../pipeline.ts'
import type { Context } from '../command.ts'
import { callerOf, progressOf, stageOptions } from '../library-options.ts'

/**
 * Gives back the copies of virtual environments that the session has left by `deactivate`, of which nobody tells us, so that it
 * still holds their leases.
 * @returns what the shell must still do; undefined if there are none
 */
export async function giveBackLeft(context: Context): Promise<Step[] | undefined> {
  const { session, messages } = context
  const { env, cwd, shell } = session
  if (shell?.pid === undefined) return undefined
  const caller = callerOf(context)
  const steps: Step[] = []
  let given = false
  for (const { folder, record } of await stagesOnThisNode(fillIn(stageOptions(context)))) {
    if (record.kind !== 'venv' || env.VIRTUAL_ENV === record.prefix) continue
    const [own] = heldBy(await leasesOf(folder), caller)
    if (own === undefined) continue
    messages.info(`This session has left the virtual environment (deactivate); giving its copy back: ${record.prefix}`)
    const bound = boundOf(own, record.prefix)
    if (bound) steps.push(exitStep('notAtExit', bound))
    await unstage({ prefix: record.prefix, cwd, env, caller, lease: own.file, onProgress: progressOf(context) })
    given = true
  }
  return given ? steps : undefined
}

/** A session that stages again what it has left by `deactivate` needs one lease, not two. */
export async function dropLeft({ folder, prefix, lease }: StageResult, context: Context): Promise<Step[]> {
  const others = (await leasesOf(folder)).filter(({ file }) => file !== lease)
  const left = heldBy(others, callerOf(context))
  for (const { file } of left) await unstage({ prefix, lease: file })
  const bounds = left.map((held) => boundOf(held, prefix)).filter((bound) => bound !== undefined)
  return bounds.map((bound) => exitStep('notAtExit', bound))
}

/** The leases of copies that the caller has activated. */
const heldBy = (leases: readonly HeldLease[], caller: Parameters<typeof leasesOfCaller>[0]): HeldLease[] =>
  leasesOfCaller(caller, leases).filter(({ lease }) => lease.activation !== undefined)
