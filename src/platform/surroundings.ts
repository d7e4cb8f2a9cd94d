import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** Defaults for callers of the library that name no others. */
export const surroundings = () => ({ env: process.env, cwd: process.cwd(), uid: process.getuid?.() ?? 0 })

/** This process's user and main group. */
export const ownUser = () => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })

/** Name of a process's program; '' if /proc does not tell. */
export function programOf(pid: number): string {
  try {
    // Of a program that was replaced while it runs, as by an update of the system, Linux says so.
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '')
  } catch {
    return ''
  }
}
