import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Bound } from '../auto-stage/exit-step.ts'
import { type Watch, watch } from '../auto-stage/watch.ts'
import { AUTO_UNSTAGE, LEAVE } from '../model/auto-scripts.ts'
import { identityOf, isDead, type ProcessIdentity } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { MARKER } from '../stage/names.ts'
import { findStage, type Stage, writeRecord } from '../stage/record.ts'

/** What the process that waits for the shell needs to start. */
type Start = Pick<Watch, 'launcher' | 'env'>

/** undefined if no shell is bound to the stage. */
export function boundOf({ folder, record: { prefix, session } }: Stage): Bound | undefined {
  return session && { prefix, marker: `${folder}/${MARKER}`, pid: session.pid }
}

/**
 * Has a stage removed when a session's shell leaves it or ends, in whatever way. For the first the copy gets a script; for
 * the second a process waits. If the shell can, it also removes the stage itself (`atExit`), because nobody waits for that
 * process.
 * @param pid of the shell, which waits for us
 */
export async function bindToShell(prefix: string, pid: number, start: Start): Promise<Bound> {
  const stage = (await findStage(prefix))!
  const session = identityOf(pid)
  const record = { ...stage.record, session }
  const bound = boundOf({ ...stage, record })!
  await writeRecord(stage.folder, record)
  addLeaveScripts(stage.record.original, prefix, stage.record.readOnly)
  watchFor(bound, [session], start)
  return bound
}

/**
 * Whether a stage can be removed now that a session leaves it. undefined: the stage is not bound to this session.
 * - used: programs still run from it; a process now waits for their end
 * - free: nothing uses it
 */
export async function leave(
  prefix: string,
  pid: number | undefined,
  start: Start,
): Promise<{ state: 'used' | 'free'; bound: Bound } | undefined> {
  const stage = await findStage(prefix)
  const bound = stage && boundOf(stage)
  const session = stage?.record.session
  if (!stage || !bound || !session) return undefined
  // This session inherited the stage from another one, which is still running.
  if (pid !== undefined && pid !== session.pid && !isDead(session)) return undefined
  const users = processesUsing(await realpath(stage.folder))
  if (users.length === 0) return { state: 'free', bound }
  watchFor(bound, users.map(identityOf), start)
  return { state: 'used', bound }
}

function watchFor({ prefix, marker }: Bound, processes: ProcessIdentity[], { launcher, env }: Start): void {
  watch({ launcher, prefix, marker, processes, env })
}

/** conda runs the scripts in the copy's deactivate.d when it leaves the copy. */
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

/** A new folder gets the mode of its parent. */
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
