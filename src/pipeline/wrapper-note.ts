import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { forgetDead } from '../leases/forget.ts'
import { wordOf } from '../leases/word.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { mkdir, rename, unlink, utimes, writeFile } from '../platform/remote-fs.ts'
import { latestOf, packageFolders } from '../wrappers/package-folders.ts'
import type { StageResult } from './options.ts'

/** Raised when wrappers that were written before could not read what we write. */
const FORMAT = '1'
/** Seconds for which a look at the original and at the copy holds. */
const HOLDS = 600

/**
 * Notes for wrappers which copy this node has, so that they need not call us each time. To be called before staging: what
 * changes in the original from then on shows, because the note's file gets the time of the latest change until now.
 * @returns call it with the copy. It fails silently: without a note, each start takes a full look.
 */
export async function noteForWrappers(file: string, original: string): Promise<(copy: StageResult) => Promise<void>> {
  const latest = await latestOf(original, await packageFolders(original))
  return async ({ prefix, lease }) => {
    const folder = dirname(prefix)
    await forgetDead(folder)
    const [before, between, after] = (await wordOf(lease)) ?? []
    const until = Math.floor(Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0])) + HOLDS
    const lines = [FORMAT, ownIdentity().boot, `${until}`, prefix, before, between, after]
    if (before === undefined || lines.some((line) => line?.includes('\n'))) return
    const aside = `${file}.${process.pid}.new`
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    try {
      await writeFile(aside, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })
      // Times of some shells and file systems have whole seconds only.
      await utimes(aside, Math.ceil(latest / 1000), Math.ceil(latest / 1000))
      await rename(aside, file)
    } finally {
      await unlink(aside).catch(() => {})
    }
  }
}
