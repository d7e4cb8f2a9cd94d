import {
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { forgetDead } from '../leases/forget.ts'
import { uniqueName } from '../leases/names.ts'
import { wordOf } from '../leases/word.ts'
import { errnoOf } from '../platform/errno.ts'
import { jobId, type Variables } from '../platform/job.ts'
import { belongsToJob } from '../platform/local-disk.ts'
import { ownIdentity, processFacts } from '../platform/process-identity.ts'
import { realpath } from '../platform/remote-fs.ts'
import { ownUser } from '../platform/surroundings.ts'
import { NOTE_HOLDS } from '../wrappers/notes.ts'
import { latestOf, packageFolders } from '../wrappers/package-folders.ts'
import type { StageResult } from './options.ts'

/** Raised when wrappers that were written before could not read what we write. */
const FORMAT = '2'

/**
 * Notes for wrappers which copy this node has, so that they need not call us each time. To be called before staging: what
 * changes in the original from then on shows, because the note's file gets the time of the latest change until now.
 * @param file on this node
 * @returns call it with the copy. If it throws, there is no note, and each start takes a full look.
 */
export async function noteForWrappers(
  file: string,
  { original, env }: { original: string; env: Variables },
): Promise<(copy: StageResult) => Promise<void>> {
  const real = await realpath(original)
  const latest = await latestOf(original, await packageFolders(original))
  return async ({ prefix, lease }) => {
    const folder = dirname(prefix)
    await forgetDead(folder)
    const [before, between, after] = (await wordOf(lease)) ?? []
    const until = Math.floor(Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0])) + NOTE_HOLDS
    const first = processFacts(1)?.started ?? ''
    const lines = [
      FORMAT,
      ownIdentity().boot,
      first,
      `${until}`,
      onlyFor(folder, env),
      prefix,
      real,
      before,
      between,
      after,
      latest.folder,
    ]
    if (before === undefined || lines.some((line) => line?.includes('\n'))) return
    if (isOurs(dirname(file))) put(file, lines.map((line) => `${line}\n`).join(''), latest.time)
  }
}

/** For which job or TMPDIR a copy is: the folder goes with it. Empty: for all. */
function onlyFor(folder: string, env: Variables): string {
  if (belongsToJob({ real: dirname(folder) }, env)) return jobId(env)!
  const { TMPDIR } = env
  return TMPDIR && TMPDIR !== '/tmp' && folder.startsWith(`${TMPDIR}/`) ? TMPDIR : ''
}

/** Whether nobody else can put a note there: a note says which program runs. Makes the folder if it is not there. */
function isOurs(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  const facts = lstatSync(folder)
  return facts.isDirectory() && facts.uid === ownUser().uid && (facts.mode & 0o077) === 0
}

/** A double is not exact to the nanosecond. In seconds. */
const EXACT = 1e-6

/**
 * The shell can only tell which of two files is newer. So the note is a little newer than the latest change, and another file a little
 * older: an environment that has come to this path since is newer or older than both.
 * @param time milliseconds since 1970
 */
function put(file: string, text: string, time: number): void {
  putFile(`${file}.before`, '', (aside) => utimesSync(aside, time / 1000 - EXACT, time / 1000 - EXACT))
  putFile(file, text, (aside) => {
    const seconds = time / 1000 + EXACT
    utimesSync(aside, seconds, seconds)
    // Some file systems keep whole seconds only.
    if (statSync(aside).mtimeMs < time) utimesSync(aside, Math.ceil(seconds), Math.ceil(seconds))
  })
}

function putFile(file: string, text: string, setTime: (aside: string) => void): void {
  const aside = `${file}.${uniqueName()}.new`
  try {
    writeFileSync(aside, text, { mode: 0o600, flag: 'wx' })
    setTime(aside)
    renameSync(aside, file)
  } catch (error) {
    try {
      unlinkSync(aside)
    } catch {}
    throw error
  }
}
