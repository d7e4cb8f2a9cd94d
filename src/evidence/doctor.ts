import { resolve } from 'node:path'
import { activePrefix } from '../model/active.ts'
import { homeOf } from '../platform/home.ts'
import { inTime, PATIENCE_MS } from '../platform/patience.ts'
import { stat } from '../platform/remote-fs.ts'
import { surroundings } from '../platform/surroundings.ts'
import { findStage } from '../stage/record.ts'
import { environmentChecks } from './doctor/environment.ts'
import { bad, type Check, type DoctorOptions, type Finding, type Patient } from './doctor/finding.ts'
import { kernelChecks } from './doctor/kernels.ts'
import { machineChecks } from './doctor/machine.ts'
import { scriptChecks } from './doctor/scripts.ts'
import { sessionChecks } from './doctor/session.ts'

const CHECKS: readonly Readonly<Record<string, Check>>[] = [
  sessionChecks,
  machineChecks,
  environmentChecks,
  kernelChecks,
  scriptChecks,
]

const MEASURING: ReadonlySet<string> = new Set(['local disks', 'environment'])

/** Looks at everything that staging depends on, and changes nothing. Takes some seconds, whatever does not answer. */
export async function doctor(options: DoctorOptions): Promise<Finding[]> {
  const { env, cwd } = options
  const asked = options.prefix ?? activePrefix(env)
  const named = asked === undefined ? undefined : resolve(cwd, asked)
  const home = homeOf(env)
  const silent = await silentAmong([home, cwd, ...(named === undefined ? [] : [named]), ...folders(env.PATH)])
  const isSilent = (path: string) => silent.has(path)
  // Of what is known to be silent, each check would find out for itself.
  const PATH = folders(env.PATH)
    .filter((folder) => !isSilent(folder))
    .join(':')
  const answers = named === undefined || isSilent(named) ? undefined : named
  const copy = answers === undefined ? undefined : await inTime(findStage(answers)).catch(() => undefined)
  const original = copy?.record.original ?? answers
  const patient: Patient = { ...surroundings(), ...options, env: { ...env, PATH }, home, original, isSilent }
  const found = new Map<string, Finding[]>()
  const run = async ([name, check]: [string, Check]) => void found.set(name, await outcome(name, check(patient)))
  const checks = CHECKS.flatMap((each) => Object.entries(each))
  // What measures must not wait for anything else.
  for (const each of checks.filter(([name]) => MEASURING.has(name))) await run(each)
  await Promise.all(checks.filter(([name]) => !MEASURING.has(name)).map(run))
  return [...silence(silent), ...checks.flatMap(([name]) => found.get(name) ?? [])]
}

const folders = (path = ''): string[] => path.split(':').filter((folder) => folder.startsWith('/'))

/** Which of these folders nobody answers for, and what was said then. All are asked at once. */
async function silentAmong(paths: readonly string[]): Promise<Map<string, Error>> {
  const silent = new Map<string, Error>()
  await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const answer = stat(path).catch(() => {})
      await inTime(answer, { of: path }).catch((error: Error) => silent.set(path, error))
    }),
  )
  return silent
}

/** All that is silent on one file system is one finding. */
function silence(silent: ReadonlyMap<string, Error & { hint?: string }>): Finding[] {
  const byServer = Map.groupBy(silent, ([, { message }]) => message)
  return [...byServer.values()].map((all) => {
    const [, { message, hint = '' }] = all[0]!
    return bad('file servers', `${message}, asked for ${all.map(([path]) => path).join(', ')}`, hint)
  })
}

/** The measuring of disks takes its time. */
const MOST_MS: Readonly<Record<string, number>> = { 'local disks': 5 * PATIENCE_MS }

/** A check that fails is a finding, too: what it looks at is broken. */
async function outcome(name: string, checked: Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await inTime(checked, { ms: MOST_MS[name] })
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string }
    return [bad(name, message, hint ?? "'conda-stage --status --debug' shows more.")]
  }
}
