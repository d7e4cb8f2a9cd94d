import { join } from 'node:path'
import { shortHash } from '../model/digest.ts'
import { homeOf } from '../platform/home.ts'
import type { Variables } from '../platform/job.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { readdir, readlink, symlink } from '../platform/remote-fs.ts'

/** Links to local folders, in the user's folder for state. Which of them exist differs from node to node. */
function notes(env: Variables): string {
  const given = env.XDG_STATE_HOME
  const state = given?.startsWith('/') ? given : join(homeOf(env), '.local/state')
  return join(state, 'conda-stage/local-folders')
}

/**
 * Notes a local folder that conda-stage would not think of by itself, so that `--status` finds the copies there. A failure
 * does no harm: then only `--status --path=FOLDER` finds them.
 */
export async function noteLocalFolder(folder: string, env: Variables): Promise<void> {
  const name = shortHash(folder)
  const note = () => symlink(folder, join(notes(env), name))
  await note().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') return
    await makeFolders(notes(env), 0o700)
      .then(note)
      .catch(() => {})
  })
}

/** The folders that were noted on whatever node. */
export async function notedLocalFolders(env: Variables): Promise<string[]> {
  const names = await readdir(notes(env)).catch(() => [])
  const folders = names.map((name) => readlink(join(notes(env), name)).catch(() => ''))
  return (await Promise.all(folders)).filter((folder) => folder.startsWith('/'))
}
