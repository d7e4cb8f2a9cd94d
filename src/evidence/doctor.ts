import { resolve } from 'node:path'
import { activePrefix } from '../model/active.ts'
import { homeOf } from '../platform/home.ts'
import { surroundings } from '../platform/surroundings.ts'
import { findStage } from '../stage/record.ts'
import { environmentChecks } from './doctor/environment.ts'
import { bad, type Check, type DoctorOptions, type Finding, type Patient } from './doctor/finding.ts'
import { machineChecks } from './doctor/machine.ts'
import { sessionChecks } from './doctor/session.ts'

/** A file server that is alive answers sooner. */
const PATIENCE_MS = 5000

const CHECKS: readonly Readonly<Record<string, Check>>[] = [sessionChecks, machineChecks, environmentChecks]

const MEASURING: ReadonlySet<string> = new Set(['local disks', 'environment'])

/** Looks at everything that staging depends on, and changes nothing. Takes a few seconds at most, whatever does not answer. */
export async function doctor(options: DoctorOptions): Promise<Finding[]> {
  const { env, cwd } = options
  const asked = options.prefix ?? activePrefix(env)
  const named = asked === undefined ? undefined : resolve(cwd, asked)
  const original = named === undefined ? undefined : ((await findStage(named))?.record.original ?? named)
  const patient: Patient = { ...surroundings(), ...options, home: homeOf(env), original }
  const found = new Map<string, Finding[]>()
  const run = async ([name, check]: [string, Check]) => void found.set(name, await inTime(name, check(patient)))
  const checks = CHECKS.flatMap((each) => Object.entries(each))
  // What measures must not wait for anything else.
  for (const each of checks.filter(([name]) => MEASURING.has(name))) await run(each)
  await Promise.all(checks.filter(([name]) => !MEASURING.has(name)).map(run))
  return checks.flatMap(([name]) => found.get(name) ?? [])
}

/** A check that fails is a finding, too: what it looks at is broken. */
async function inTime(name: string, checked: Promise<Finding[]>): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding[]>((resolve) => {
    const seconds = PATIENCE_MS / 1000
    const finding = bad(
      name,
      `no answer within ${seconds} seconds: a file server does not answer`,
      "Try 'ls' on your home and on the environment; whoever runs the file server can tell.",
    )
    timer = setTimeout(resolve, PATIENCE_MS, [finding])
  })
  try {
    return await Promise.race([checked, late])
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string }
    return [bad(name, message, hint ?? "'conda-stage --status --debug' shows more.")]
  } finally {
    clearTimeout(timer)
  }
}
