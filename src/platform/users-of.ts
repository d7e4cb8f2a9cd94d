import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Processes that run a program from this folder, or have a library from it loaded, as far as they are this user's. Our own is
 * not counted.
 * @param folder with symbolic links resolved
 */
export function processesUsing(folder: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  return pids.filter((pid) => isUsing(pid, folder)).map(Number)
}

function isUsing(pid: string, folder: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/exe`).startsWith(`${folder}/`)) return true
    return readFileSync(`/proc/${pid}/maps`, 'utf8').includes(` ${folder}/`)
  } catch {
    // Ended meanwhile, or somebody else's.
    return false
  }
}
