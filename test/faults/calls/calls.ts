/** Which calls of the system a run makes, and a run in which one of them fails. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ended, Scene } from './scene.ts'

/** One call, the same in each run: the `nth` of its thread on this path. */
export interface Site {
  call: string
  path: string
  nth: number
  changes: boolean
}

const LOOKS =
  'open openat read pread64 readv preadv close stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 getdents64 readlink'
const CHANGES =
  'creat write pwrite64 writev pwritev fsync fdatasync mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmod fchmodat utimensat ftruncate copy_file_range ioctl'
const OPENS = new Set(['open', 'openat', 'creat'])
const CALLS = [...LOOKS.split(' '), ...CHANGES.split(' ')]
const CHANGING = new Set(CHANGES.split(' '))

/** What is run. */
export interface Run {
  args: string[]
  env: Record<string, string>
}

/** All calls on what is below the scene's root. */
export async function sitesOf(scene: Scene, { args, env }: Run): Promise<Site[]> {
  return await withLog(async (log) => {
    const inside = ['strace', '-f', '--seccomp-bpf', '-qq', '-y', '-o', log, '-e', `trace=${CALLS.join()}`]
    const { status, stderr } = await scene.run(args, { inside, env })
    if (status !== 0) throw new Error(stderr)
    const counts = new Map<string, number>()
    const sites = new Map<string, Site>()
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      const site = siteIn(line, scene.root)
      if (site === undefined) continue
      const { thread, call, path, changes } = site
      const key = `${thread} ${call} ${path}`
      const nth = (counts.get(key) ?? 0) + 1
      counts.set(key, nth)
      sites.set(`${call} ${path} ${nth}`, { call, path, nth, changes })
    }
    return [...sites.values()]
  })
}

function siteIn(line: string, root: string): (Omit<Site, 'nth'> & { thread: string }) | undefined {
  const [, thread, call, rest] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
  if (thread === undefined || call === undefined || rest === undefined) return undefined
  const ofDescriptor = /^\d+<(\/[^>]*)>/.exec(rest)?.[1]
  const path = ofDescriptor ?? /^(?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)"/.exec(rest)?.[1]
  // The first argument of symlink is what stands in the link.
  if (path === undefined || !(path.startsWith(root) || rest.includes(`"${root}/`))) return undefined
  return { thread, call, path, changes: CHANGING.has(call) || /O_CREAT|O_WRONLY|O_RDWR/.test(rest) }
}

/** What a file system may answer to the call. */
export function errnosOf({ call, changes }: Site): string[] {
  return [
    ...['EIO', 'ESTALE', 'EACCES', 'EINTR'],
    ...(OPENS.has(call) ? ['EMFILE'] : []),
    // Whatever could not be written before may be reported when the file is closed.
    ...(changes || call === 'close' ? ['ENOSPC', 'EDQUOT'] : []),
  ]
}

/** @returns undefined if the run did not come to that call */
export async function runFailing(
  scene: Scene,
  { args, env }: Run,
  { call, path, nth }: Site,
  errno: string,
): Promise<Ended | undefined> {
  return await withLog(async (log) => {
    const inject = `inject=${call}:error=${errno}:when=${nth}`
    const inside = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', log, '-P', path, '-e', `trace=${call}`, '-e', inject]
    const ended = await scene.run(args, { inside, env })
    return readFileSync(log, 'utf8').includes('(INJECTED)') ? ended : undefined
  })
}

async function withLog<T>(body: (log: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'strace-'))
  try {
    return await body(join(folder, 'log'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
