import { resolve } from 'node:path'
import { kindAt } from '../../environment/find.ts'
import { findVenvBase, isOfSystem, type VenvBase } from '../../environment/venv-base.ts'
import { readLease, writeLease } from '../../leases/lease.ts'
import { activePrefix } from '../../model/active.ts'
import type { Forecast } from '../../pipeline/dry-run.ts'
import type { StageOptions, StageResult } from '../../pipeline/options.ts'
import { unstage } from '../../pipeline.ts'
import { findStage } from '../../stage/record.ts'
import type { BaseCopy } from '../../stage/venv-base.ts'
import type { Context } from '../command.ts'
import { forecastCompanion, stageCompanion } from './companion.ts'

/** What the stage of a virtual environment gets from that of its base. */
type OnBase = Pick<StageOptions, 'base' | 'skipLocal'>

interface Main<T> {
  /** Who uses the copies, if not the caller of the command. */
  caller?: StageOptions['caller']
  stage(onBase: OnBase): Promise<T>
  /** The copy that was made or joined. */
  copyOf(result: T): StageResult | undefined
}

/**
 * Stages the base of a virtual environment, and then the environment, whose copy starts the base's copy. The lease of the second
 * names the lease of the first: who gives that one back gives back both. The base of a conda environment is itself.
 */
export async function onBase<T>(context: Context, { caller, stage, copyOf }: Main<T>): Promise<T> {
  const found = await stageBase(context, caller)
  if (found === undefined) return await stage({})
  const { copy, base } = found
  try {
    // A copy pays also if only the base is slow.
    const result = await stage({ base, skipLocal: false })
    const main = copyOf(result)
    if (main) await noteBase(main.lease, copy)
    else await unstage(copy)
    return result
  } catch (error) {
    await unstage(copy).catch(() => {})
    throw error
  }
}

async function stageBase(
  context: Context,
  caller: StageOptions['caller'],
): Promise<{ copy: StageResult; base: BaseCopy } | undefined> {
  const base = await baseToStage(context)
  if (base === undefined) return undefined
  const copy = await stageCompanion({ prefix: base.prefix, asBase: true, ...(caller && { caller }) }, context)
  return copy && { copy, base: { original: base.prefix, real: base.real, prefix: copy.prefix } }
}

/** What `onBase` would stage besides the environment, and what the forecast for the environment must know of it. */
export async function forecastBase(context: Context): Promise<{ forecast: Forecast; main: OnBase } | undefined> {
  const base = await baseToStage(context)
  const forecast = base && (await forecastCompanion({ prefix: base.prefix, asBase: true }, context))
  if (forecast === undefined) return undefined
  // Only a copy that starts the base's copy would be joined.
  const copy: BaseCopy = { original: base!.prefix, real: base!.real, prefix: forecast.copy ?? '' }
  return { forecast, main: { base: copy, skipLocal: false } }
}

/** undefined if the environment is none that has a base, or if a message has said why its base is not staged. */
async function baseToStage({ options, session, messages }: Context): Promise<VenvBase | undefined> {
  const active = options.prefix ?? activePrefix(session.env)
  const prefix = active && resolve(session.cwd, active)
  if (!prefix || (await kindAt(prefix)) !== 'venv' || (await findStage(prefix))) return undefined
  const base = await findVenvBase(prefix)
  if (base === undefined) {
    messages.warning(`The Python of ${prefix} is not found where its pyvenv.cfg says, and is not staged`)
    return undefined
  }
  if (isOfSystem(base)) {
    messages.info(`The Python of ${prefix} is the system's (${base.prefix}), which is not staged`)
    return undefined
  }
  const copied = await findStage(base.real)
  if (copied) {
    messages.warning(
      `${prefix} was made in a session of a copy: its Python is ${base.prefix}, and goes with that`,
      `Make it again with the Python of ${copied.record.original}.`,
    )
    return undefined
  }
  return base
}

async function noteBase(file: string, { prefix, lease }: StageResult): Promise<void> {
  const held = await readLease(file)
  if (held) await writeLease(file, { ...held.lease, base: { prefix, lease } })
}
