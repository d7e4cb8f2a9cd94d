import { readdirSync } from 'node:fs'
import { lstat, mkdir, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as v from 'valibot'
import { monotonicMs } from '../platform/clock.ts'
import { Identity } from '../platform/identity-schema.ts'
import { fateOf, ownIdentity } from '../platform/process-identity.ts'
import { NotRead, readLocal } from '../platform/read-small.ts'
import { folderOf } from './lease.ts'
import { uniqueName } from './names.ts'

const NAME = /^[0-9a-f]{16}\.leaving$/

/** A process that can't be seen from here, in another container, has removed the stage by then or never will. */
const STALE_MS = 60_000
const POLL_MS = 10
/** Who removes needs a millisecond between announcing it and removing or leaving it. */
const PATIENCE_MS = 1000

/**
 * Announces that this process removes a stage unless somebody uses it. Who removes announces it first and looks for leases then;
 * who joins writes a lease first and looks for announcements then. So at least one of the two sees the other, and nobody's copy
 * is away, not even for a moment.
 * @returns takes the announcement back
 */
export async function announceRemoval(stage: string): Promise<() => Promise<void>> {
  const folder = folderOf(stage)
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const file = join(folder, `${uniqueName()}.leaving`)
  // Complete or absent. What a killed process leaves of it says nothing.
  const aside = `${file}.new`
  try {
    await writeFile(aside, JSON.stringify(ownIdentity()), { mode: 0o600 })
    await rename(aside, file)
  } catch (error) {
    await unlink(aside).catch(() => {})
    throw error
  }
  return async () => await unlink(file).catch(() => {})
}

/** Whether a stage stays, now that there is a lease of ours. Waits while somebody may be removing it. */
export async function stays(stage: string): Promise<boolean> {
  const deadline = monotonicMs() + PATIENCE_MS
  for (;;) {
    const files = await announcements(stage).catch(() => undefined)
    if (files === undefined) return false
    if (files.length === 0) return true
    if (monotonicMs() > deadline) return false
    // One that is gone may have gone with the stage, so look again.
    for (const file of files) if (await isAnnounced(file)) await sleep(POLL_MS)
  }
}

/** Whether somebody has announced the removal of a stage, whatever became of that process. */
export const isAnnouncedIn = async (stage: string): Promise<boolean> =>
  (await announcements(stage).catch(() => [])).length > 0

async function announcements(stage: string): Promise<string[]> {
  const folder = folderOf(stage)
  return readdirSync(folder)
    .filter((name) => NAME.test(name))
    .map((name) => join(folder, name))
}

/** Removes one that says nothing any more. */
async function isAnnounced(file: string): Promise<boolean> {
  // In doubt that process is alive.
  if (await isOfLiving(file).catch((error: unknown) => error instanceof NotRead && error.kind === 'failed')) return true
  await unlink(file).catch(() => {})
  return false
}

async function isOfLiving(file: string): Promise<boolean> {
  const fate = fateOf(v.parse(Identity, JSON.parse((await readLocal(file, 10_000)).toString())))
  return fate === 'alive' || (fate === 'unknown' && Math.abs(Date.now() - (await lstat(file)).mtimeMs) < STALE_MS)
}
