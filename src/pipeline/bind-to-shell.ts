import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Bound } from '../auto-stage/exit-step.ts'
import { watch } from '../auto-stage/watch.ts'
import { AUTO_UNSTAGE, LEAVE } from '../model/auto-scripts.ts'
import { identityOf, isDead, type ProcessIdentity } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { MARKER } from '../stage/names.ts'
import { findStage, type Stage, writeRecord } from '../stage/record.ts'

interface Surroundings {
  launcher: string
  env: Readonly<Record<string, string | undefined>>
}

/** undefined for a stage that goes with no session. */
export function boundOf({ folder, record: { prefix, session } }: Stage): Bound | undefined {
  return session && { prefix, marker: `${folder}/${MARKER}`, pid: session.pid }
}

/**
 * Has a stage go when a session's shell leaves it, or ends in whatever way: the copy gets a script for the first, a process
 * waits for the second. The shell itself does it where it can (`atExit`), since nobody waits for that process.
 * @param pid of the shell, which waits for us
 */
export async function bindToSession(prefix: string, pid: number, around: Surroundings): Promise<Bound> {
  const stage = (await findStage(prefix))!
  const session = identityOf(pid)
  const record = { ...stage.record, session }
  const bound = boundOf({ ...stage, record })!
  await writeRecord(stage.folder, record)
  addLeaveScripts(stage.record.original, prefix, stage.record.readOnly)
  watchFor(bound, [session], around)
  return bound
}

/**
 * Whether a stage may go now that a session leaves it; undefined where that is nothing to this session.
 * - used: programs still run from it, and a process waits for their end now
 * - free: it may
 */
export async function leave(
  prefix: string,
  pid: number | undefined,
  around: Surroundings,
): Promise<{ state: 'used' | 'free'; bound: Bound } | undefined> {
  const stage = await findStage(prefix)
  const bound = stage && boundOf(stage)
  const session = stage?.record.session
  if (!stage || !bound || !session) return undefined
  // This session has inherited it from another one, which goes on.
  if (pid !== undefined && pid !== session.pid && !isDead(session)) return undefined
  const users = processesUsing(await realpath(stage.folder))
  if (users.length === 0) return { state: 'free', bound }
  watchFor(bound, users.map(identityOf), around)
  return { state: 'used', bound }
}

function watchFor({ prefix, marker }: Bound, processes: ProcessIdentity[], { launcher, env }: Surroundings): void {
  watch({ launcher, prefix, marker, processes, env })
}

/** conda runs deactivate.d of the copy when it leaves it. */
function addLeaveScripts(original: string, prefix: string, readOnly: boolean): void {
  const folder = dirname(AUTO_UNSTAGE)
  const scripts = readdirSync(join(original, folder)).filter((name) => name.startsWith(`${basename(AUTO_UNSTAGE)}.`))
  makeFolder(join(prefix, folder))
  whileWritable(join(prefix, folder), () => {
    for (const name of scripts) {
      const script = join(prefix, LEAVE + extname(name))
      copyFileSync(join(original, folder, name), script)
      chmodSync(script, readOnly ? 0o444 : 0o644)
    }
  })
}

/** With the mode of the folder that it is in. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  whileWritable(dirname(path), () => mkdirSync(path))
  chmodSync(path, statSync(dirname(path)).mode)
}

function whileWritable(folder: string, body: () => void): void {
  const { mode } = statSync(folder)
  chmodSync(folder, mode | 0o700)
  try {
    body()
  } finally {
    chmodSync(folder, mode)
  }
}
