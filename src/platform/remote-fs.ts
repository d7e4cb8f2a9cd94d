import * as fs from 'node:fs/promises'
import { isCancelled } from '../errors.ts'
import { type Awaited, answerTo, awaitedPath } from './waiting.ts'

/**
 * The calls of node:fs/promises for paths that may be on a file server: environments, their archives, the user's home. Each is
 * known as one that may wait for ever.
 */

type FsCall = (path: never, ...rest: never[]) => Promise<unknown>

// The path comes first in each of them.
function known<Call extends FsCall>(call: Call, isChange = false): Call {
  const body = (...args: Parameters<Call>) =>
    answerTo(() => call(...(args as never as [never])), { path: () => awaitedPath(args[0]), isChange })
  return body as FsCall as Call
}

export const access = known(fs.access)
export const lstat = known(fs.lstat)
export const readdir = known(fs.readdir)
export const readlink = known(fs.readlink)
export const realpath = known(fs.realpath)
export const stat = known(fs.stat)
export const statfs = known(fs.statfs)

/** False as well if that can't be known. @throws StageError CANCELLED: a call that nobody waited for has shown nothing */
export const exists = (path: string | Buffer): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (isCancelled(error)) throw error
      return false
    },
  )

export const mkdir = known(fs.mkdir, true)
export const rename = known(fs.rename, true)
export const rmdir = known(fs.rmdir, true)
export const unlink = known(fs.unlink, true)
export const utimes = known(fs.utimes, true)
export const writeFile = known(fs.writeFile, true)

export const symlink = (target: string, path: string): Promise<void> =>
  answerTo(() => fs.symlink(target, path), { path: () => path, isChange: true })

export const open: typeof fs.open = async (path, flags, mode) => {
  const isChange = typeof flags === 'string' && flags !== 'r'
  const awaited: Awaited = { path: () => awaitedPath(path), isChange }
  let opening: Promise<fs.FileHandle> | undefined
  const begin = () => {
    opening = fs.open(path, flags, mode)
    return opening
  }
  try {
    return knownHandle(await answerTo(begin, awaited), awaited)
  } catch (error) {
    // Nobody waits for it any more, and it may come all the same. Node ends a process that leaves a file to its garbage collector.
    opening?.then((handle) => handle.close()).catch(() => {})
    throw error
  }
}

/** The same for calls on a file that is open. */
function knownHandle(handle: fs.FileHandle, awaited: Awaited): fs.FileHandle {
  for (const name of ['close', 'datasync', 'read', 'stat', 'sync', 'utimes', 'write', 'writeFile'] as const) {
    const call = handle[name].bind(handle) as (...args: unknown[]) => Promise<unknown>
    Object.assign(handle, { [name]: (...args: unknown[]) => answerTo(() => call(...args), awaited) })
  }
  return handle
}
