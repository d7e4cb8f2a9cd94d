import { resolve } from 'node:path'
import { kindAt } from '../../environment/find.ts'
import { findVenvBase, isOfSystem } from '../../environment/venv-base.ts'
import { readLease, writeLease } from '../../leases/lease.ts'
import { activePrefix } from '../../model/active.ts'
import type { StageOptions, StageResult } from '../../pipeline/options.ts'
import { unstage } from '../../pipeline.ts'
import { findStage } from '../../stage/record.ts'
import type { BaseCopy } from '../../stage/venv-base.ts'
import type { Context } from '../command.ts'
import { stageCompanion } from './companion.ts'

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
  const { options, session, messages } = context
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
  const copy = await stageCompanion({ prefix: base.prefix, asBase: true, ...(caller && { caller }) }, context)
  return copy && { copy, base: { original: base.prefix, real: base.real, prefix: copy.prefix } }
}

async function noteBase(file: string, { prefix, lease }: StageResult): Promise<void> {
  const held = await readLease(file)
  if (held) await writeLease(file, { ...held.lease, base: { prefix, lease } })
}
