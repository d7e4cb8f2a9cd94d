import { chmodSync, existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Bound } from '../auto-stage/exit-step.ts'
import { leaveScripts } from '../auto-stage/script.ts'
import { type Watch, watch } from '../auto-stage/watch.ts'
import { LEAVE } from '../model/auto-scripts.ts'
import { identityOf, isDead, type ProcessIdentity } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { MARKER } from '../stage/names.ts'
import { findStage, type Stage, writeRecord } from '../stage/record.ts'

/** What the process that waits for the shell needs to start. */
type Start = Pick<Watch, 'launcher' | 'env'>

/** Keeps with a stage which shell has it: a child of that shell must not remove it. */
export async function noteShell(prefix: string, pid: number): Promise<void> {
  const stage = (await findStage(prefix))!
  await writeRecord(stage.folder, { ...stage.record, shell: identityOf(pid) })
}

/** The shell that staged, if it is another one than this and still runs. */
export function otherShell({ record: { shell } }: Stage, pid: number | undefined): ProcessIdentity | undefined {
  return shell && pid !== undefined && shell.pid !== pid && !isDead(shell) ? shell : undefined
}

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
  addLeaveScripts(prefix, stage.record.readOnly, start.launcher)
  watchFor(bound, [session], start)
  return bound
}

/**
 * Whether a stage can be removed now that a session leaves it. undefined: the stage is not bound to this session.
 * - used: programs still run from it; a process now waits for their end
 * - last: the original is gone. The stage is no longer bound, so nothing removes it
 * - free: nothing uses it
 */
export async function leave(
  prefix: string,
  pid: number | undefined,
  start: Start,
): Promise<{ state: 'used' | 'last' | 'free'; bound: Bound; original: string } | undefined> {
  const stage = await findStage(prefix)
  const bound = stage && boundOf(stage)
  const session = stage?.record.session
  if (!stage || !bound || !session) return undefined
  // This session inherited the stage from another one, which is still running.
  if (pid !== undefined && pid !== session.pid && !isDead(session)) return undefined
  const { original } = stage.record
  if (!isThere(original)) {
    const { session: _, ...record } = stage.record
    await writeRecord(stage.folder, record)
    return { state: 'last', bound, original }
  }
  const users = processesUsing(await realpath(stage.folder))
  if (users.length === 0) return { state: 'free', bound, original }
  watchFor(bound, users.map(identityOf), start)
  return { state: 'used', bound, original }
}

/** Whether an original still is an environment. */
export const isThere = (original: string): boolean => existsSync(`${original}/conda-meta`)

function watchFor({ prefix, marker }: Bound, processes: ProcessIdentity[], { launcher, env }: Start): void {
  watch({ launcher, prefix, marker, processes, env })
}

/** conda runs the scripts in the copy's deactivate.d when it leaves the copy. */
function addLeaveScripts(prefix: string, readOnly: boolean, launcher: string): void {
  const folder = join(prefix, dirname(LEAVE))
  makeFolder(folder)
  whileWritable(folder, () => {
    for (const { path, text } of leaveScripts(launcher))
      writeFileSync(join(prefix, path), text, { mode: readOnly ? 0o444 : 0o644 })
  })
}

/** A new folder gets the mode of its parent. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  whileWritable(dirname(path), () => mkdirSync(path))
  chmodSync(path, statSync(dirname(path)).mode)
}

/** The folder then has the mode and the times that it had. */
function whileWritable(folder: string, body: () => void): void {
  const { mode, atime, mtime } = statSync(folder)
  chmodSync(folder, mode | 0o700)
  try {
    body()
  } finally {
    utimesSync(folder, atime, mtime)
    chmodSync(folder, mode)
  }
}
