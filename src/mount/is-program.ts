import { accessSync, constants } from 'node:fs'

/** Whether this user may run what is at a path of the system's own disk. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
