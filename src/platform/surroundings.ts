import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** For the library, where the caller does not name them. */
export const surroundings = () => ({ env: process.env, cwd: process.cwd(), uid: process.getuid?.() ?? 0 })

/** Name of the program that called us, '' where /proc does not tell. */
export function parentProgram(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`))
  } catch {
    return ''
  }
}
