import * as fs from 'node:fs'
import { type Mount, mayHang } from './mounts.ts'
import { access, lstat, readlink, stat, statfs } from './remote-fs.ts'

/** Look-ups on a path that has no symbolic links. */
export interface Calls {
  access(path: string, mode: number): Promise<void>
  lstat(path: string): Promise<fs.Stats>
  readlink(path: string): Promise<string>
  stat(path: string): Promise<fs.Stats>
  statfs(path: string, options: { bigint: true }): Promise<fs.BigIntStatsFs>
}

/**
 * Made at once, where no server is asked: the way to another thread and back takes a hundred times as long as the look-up, and a
 * call that joins a copy makes a hundred of them.
 */
const AT_ONCE: Calls = {
  access: async (path, mode) => fs.accessSync(path, mode),
  lstat: async (path) => fs.lstatSync(path),
  readlink: async (path) => fs.readlinkSync(path),
  stat: async (path) => fs.statSync(path),
  statfs: async (path, options) => fs.statfsSync(path, options),
}

export const IN_POOL: Calls = { access, lstat, readlink, stat, statfs }

/** The quickest way to look at a path that never blocks the main thread. */
export const callsFor = (path: string, mounts: readonly Mount[]): Calls => (mayHang(path, mounts) ? IN_POOL : AT_ONCE)
