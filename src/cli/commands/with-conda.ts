import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CallingShell } from '../../activate/call.ts'
import { type CondaSnapshot, planConda, planCondaBack } from '../../activate/conda.ts'
import type { Variables } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { baseOfSession, namesOfBase } from '../../environment/conda-folders.ts'
import { leasesOfCaller } from '../../leases/holder.ts'
import { leasesOf, readLease, writeLease } from '../../leases/lease.ts'
import { CONDABIN_OF_A_COPY, IN_A_COPY } from '../../model/copy-of-base.ts'
import { bindToShell, boundOf, guard, inheritLease } from '../../pipeline/bind-to-shell.ts'
import type { Forecast } from '../../pipeline/dry-run.ts'
import type { StageResult } from '../../pipeline/options.ts'
import { leaseFor } from '../../pipeline/share.ts'
import { realpath } from '../../platform/remote-fs.ts'
import { CONDARC } from '../../stage/base-files.ts'
import { findStage, type Stage } from '../../stage/record.ts'
import type { Context } from '../command.ts'
import { callerOf, stageOptions } from '../library-options.ts'
import { forecastCompanion, noteCompanion, stageCompanion } from './companion.ts'
import { giveUp } from './leave-nodes.ts'

interface Session {
  /** The variables as they are when the copy of the environment is active. */
  env: Variables
  /** The copy of the environment, if one was just staged: perhaps of the base itself. */
  main?: StageResult
}

/**
 * Stages the installation from which the session calls conda, and has the session call conda from the copy.
 * @returns the steps, and what to do if the shell does not get them
 */
export async function withConda(
  context: Context,
  shell: CallingShell,
  { env, main }: Session,
): Promise<{ steps: Step[]; undo: () => Promise<void> }> {
  const { options, session, messages } = context
  const nothing = { steps: [], undo: async () => {} }
  const prefix = await baseOfSession(env)
  if (prefix === undefined) {
    messages.info('This session has no conda that could be staged: neither CONDA_EXE nor PATH names one')
    return nothing
  }
  const already = await findStage(prefix)
  if (already) return { ...nothing, steps: await heldBy(already, shell, context) }
  if (IN_A_COPY.test(`${prefix}/`)) {
    messages.warning(
      `This session's conda was in a copy that is gone: ${prefix}`,
      'Load conda again, as a login shell does.',
    )
    return nothing
  }
  const real = await realpath(prefix).catch(() => prefix)
  const isMain = main !== undefined && (await realpath(main.original).catch(() => main.original)) === real
  const copy = isMain ? main : await stageCompanion(asBase(prefix, env), context)
  if (copy === undefined) return nothing
  const undo = async () => (isMain ? undefined : giveUp(copy, context))
  try {
    if (!existsSync(`${copy.prefix}/${CONDARC}`)) {
      messages.warning(`conda still runs from ${prefix}, because its copy ${copy.prefix} has no conda`)
      await undo()
      return nothing
    }
    const { steps, snapshot } = planConda({
      env,
      base: { prefix, real },
      copy: copy.prefix,
      hasCondabin: existsSync(`${copy.prefix}/condabin/conda`),
      hasMamba: existsSync(`${copy.prefix}/bin/mamba`),
      // Only conda could not be exchanged: the session has its environment.
      abandon: isMain ? undefined : ['--abandon', `--prefix=${copy.prefix}`, '--on-failure=continue'],
    })
    const held = (await readLease(copy.lease))!
    const pid = shell.pid ?? options.session
    const bound = isMain ? held.lease.bound : options.keepMinutes !== Number.POSITIVE_INFINITY && pid !== undefined
    const lease = { ...held.lease, conda: snapshot, bound }
    await writeLease(copy.lease, lease)
    if (main && !isMain) await noteCompanion(main.lease, copy)
    messages.info(`conda runs from the staged copy of its installation: ${copy.prefix}`)
    if (isMain) return { steps, undo }
    if (bound) steps.push(exitStep('atExit', bindToShell({ file: copy.lease, lease }, copy.prefix, session)))
    else await guard(copy, session)
    return { steps, undo }
  } catch (error) {
    await undo()
    throw error
  }
}

/** The variables name it as the base, also where only PATH led to it. */
const asBase = (prefix: string, env: Variables) => ({ prefix, env: { ...env, _CONDA_ROOT: prefix } })

/** What `withConda` would stage besides this original. */
export async function forecastConda(original: string, context: Context): Promise<Forecast | undefined> {
  const prefix = await baseOfSession(context.session.env)
  if (prefix === undefined || (await findStage(prefix)) !== undefined) return undefined
  const [base, main] = await Promise.all([prefix, original].map((each) => realpath(each).catch(() => each)))
  return base === main ? undefined : await forecastCompanion(asBase(prefix, context.session.env), context)
}

/** A shell that has inherited its conda from the one that staged it uses the copy itself. */
async function heldBy({ record }: Stage, shell: CallingShell, context: Context): Promise<Step[]> {
  const { options, session } = context
  const bound = options.keepMinutes !== Number.POSITIVE_INFINITY
  const lease = { ...leaseFor(record.original, { ...stageOptions(context), env: session.env }), bound }
  const held = shell.pid === undefined ? undefined : await inheritLease(record.prefix, lease)
  return held && bound ? [exitStep('atExit', bindToShell(held, record.prefix, session))] : []
}

/** What it takes for the session to call conda from its installation again. */
export interface CondaBack {
  steps: Step[]
  /** The session's variables after these steps. */
  env: Variables
  /** The copy that conda has run from. */
  copy: string
  original: string
}

/** Undefined if the session's conda does not run from a copy. */
export async function condaBack(context: Context): Promise<CondaBack | undefined> {
  const { env } = context.session
  // A shell that has loaded conda anew has only PATH from the session.
  const inPath = (env.PATH ?? '').split(':').filter((entry) => CONDABIN_OF_A_COPY.test(entry))
  const stages = await Promise.all([...namesOfBase(env), ...inPath.map(dirname)].map(findStage))
  const stage = stages.find((found) => found !== undefined)
  if (stage === undefined) return undefined
  const { prefix, original } = stage.record
  const leases = await leasesOf(stage.folder)
  const own = leasesOfCaller(callerOf(context), leases)
  const held = [...own, ...leases.toReversed()].find(({ lease }) => lease.conda !== undefined)
  const real = await realpath(prefix).catch(() => prefix)
  const plan = planCondaBack({
    env,
    copy: { prefix, real },
    original: held?.lease.original ?? original,
    snapshot: held?.lease.conda as CondaSnapshot | undefined,
  })
  const bound = own[0] && boundOf(own[0], prefix)
  return {
    ...plan,
    steps: [...plan.steps, ...(bound ? [exitStep('notAtExit', bound)] : [])],
    copy: prefix,
    original: held?.lease.original ?? original,
  }
}
