import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * This user's processes that run a program from the folder or have loaded a library from it, except our own.
 * @param folder with symbolic links resolved
 */
export function processesUsing(folder: string): number[] {
  const pids = processes().filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  return pids.filter((pid) => isUsing(pid, folder)).map(Number)
}

/**
 * The processes that have anything open in a folder, run from it, have mapped files of it, or stand in it. All, except our own, that
 * this user may look at.
 * @param folder with symbolic links resolved
 */
export function processesIn(folder: string): number[] {
  const pids = processes().filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  return pids.filter((pid) => isUsing(pid, folder) || holds(pid, folder)).map(Number)
}

function holds(pid: string, folder: string): boolean {
  try {
    const links = [...['cwd', 'root'], ...readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)]
    return links.some((link) => `${targetOf(`/proc/${pid}/${link}`)}/`.startsWith(`${folder}/`))
  } catch {
    return false
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}

/** None if there is no /proc: then nothing can be known. */
function processes(): string[] {
  try {
    return readdirSync('/proc')
  } catch {
    return []
  }
}

function isUsing(pid: string, folder: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/exe`).startsWith(`${folder}/`)) return true
    return readFileSync(`/proc/${pid}/maps`, 'utf8').includes(` ${folder}/`)
  } catch {
    // It has ended, or belongs to another user.
    return false
  }
}
