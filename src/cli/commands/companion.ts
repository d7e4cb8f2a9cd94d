import { StageError } from '../../errors.ts'
import { readLease, writeLease } from '../../leases/lease.ts'
import type { OnProgress } from '../../model/progress.ts'
import type { Forecast } from '../../pipeline/dry-run.ts'
import type { StageOptions, StageResult } from '../../pipeline/options.ts'
import { stage, unstage } from '../../pipeline.ts'
import type { Context } from '../command.ts'
import { callerOf, progressOf, stageOptions } from '../library-options.ts'
import { leaveCopy } from './leave-copy.ts'

/**
 * A companion is a second copy that a session gets along with the one that it asked for: of the base installation, for instance. It
 * is a stage like any other, with an archive and a lease of its own. So it is shared, swept and given back when the shell ends,
 * whatever becomes of the first one.
 */

/** Which one it is, and what there is to say about it. */
type Companion = StageOptions & { prefix: string }

/** Stages a companion. If that fails, a warning says why, and the session goes on without it. */
export const stageCompanion = (companion: Companion, context: Context): Promise<StageResult | undefined> =>
  ifPossible(companion, context, async (options) => {
    context.messages.info(`Staging ${companion.prefix} as well ...`)
    return await stage(options)
  })

/** What `stageCompanion` would do. */
export const forecastCompanion = (companion: Companion, context: Context): Promise<Forecast | undefined> =>
  ifPossible(companion, context, async (options) =>
    (await import('../../pipeline/dry-run.ts')).forecast(options, { onlyPack: false }),
  )

async function ifPossible<T>(
  companion: Companion,
  context: Context,
  body: (options: StageOptions) => Promise<T>,
): Promise<T | undefined> {
  const { messages, signal } = context
  try {
    return await body({ ...optionsOf(context), ...companion })
  } catch (error) {
    if (!(error instanceof StageError) || signal.aborted) throw error
    if (error.code === 'ALREADY_LOCAL') messages.info(`${error.message}. Using it as it is`)
    else messages.warning(`${companion.prefix} is not staged: ${error.message}`, error.hint)
    return undefined
  }
}

/** What is said about one environment or one archive does not go for the other. */
function optionsOf(context: Context): StageOptions {
  const { output, archive, form, inPlace, format, packer, arcroot, destPrefix, filters, force, ...options } =
    stageOptions(context)
  const onProgress: OnProgress = (event) => {
    // It would be called the current environment.
    if (event.kind !== 'phase' || event.phase !== 'stage') options.onProgress?.(event)
  }
  return { ...options, onProgress, allowBase: true, writable: false, skipLocal: context.options.skipLocal ?? true }
}

/** Notes in the lease of the first copy which companion came with it: who gives that one up gives up both. */
export async function noteCompanion(file: string, { prefix, lease }: StageResult): Promise<void> {
  const held = await readLease(file)
  if (held) await writeLease(file, { ...held.lease, companion: { prefix, lease } })
}

/** Gives a companion back when the session does not use it any more. */
export async function leaveCompanion(prefix: string, context: Context): Promise<void> {
  const { options, session, messages } = context
  try {
    if (await leaveCopy(prefix, options.session, context)) return
    const given = { prefix, cwd: session.cwd, env: session.env, caller: callerOf(context) }
    const { kept } = await unstage({ ...given, onProgress: progressOf(context) })
    if (kept) messages.verbose(`${prefix} stays: others use it`)
  } catch (error) {
    if (!(error instanceof StageError)) throw error
    messages.warning(error.message, error.hint)
  }
}
