import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/**
 * This user's processes that run a program from the folder or have loaded a library from it, or to whom a private mount shows what
 * is in it, except our own.
 * @param folder with symbolic links resolved
 */
export function processesUsing(folder: string): number[] {
  const pids = processes().filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const isShown = shownIn(basename(folder))
  return pids.filter((pid) => isUsing(pid, folder) || isShown(pid)).map(Number)
}

/**
 * This user's processes, except our own, that would call conda from the folder: they were started with CONDA_EXE, or csh's
 * _CONDA_EXE, leading there. Shells and whatever starts shells, such as tmux, have conda from such a variable alone.
 * @param folders the folder in its spellings
 */
export function processesCallingConda(folders: readonly string[]): number[] {
  const names = folders.map((folder) => `CONDA_EXE=${folder}/`)
  const calls = (pid: string): boolean => {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, 'utf8')
      return names.some((name) => environ.includes(name))
    } catch {
      return false
    }
  }
  return processes()
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter(calls)
    .map(Number)
}

/**
 * This user's processes, except our own, that run one of these programs and were started by a path in the folder, or with variables
 * (PATH, VIRTUAL_ENV) that lead there. The Python of a virtual environment is a link: nothing else of such a process need be from there.
 * @param folders the folder in its spellings
 */
export function processesRunning(programs: ReadonlySet<string>, folders: readonly string[]): number[] {
  const isNamed = (file: string): boolean => {
    const text = readFileSync(file, 'utf8')
    return folders.some((folder) => text.includes(`${folder}/`))
  }
  const runs = (pid: string): boolean => {
    try {
      return (
        programs.has(readlinkSync(`/proc/${pid}/exe`)) &&
        ['cmdline', 'environ'].some((name) => isNamed(`/proc/${pid}/${name}`))
      )
    } catch {
      return false
    }
  }
  return processes()
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter(runs)
    .map(Number)
}

/**
 * Whether a process sees the folder at another place, in a mount namespace of its own. Nothing that it runs from there has the
 * folder's path. Its list of mounts has the path in the disk's own terms, hence only the folder's name; for an image, that is what
 * its server calls itself. A mount point in the folder says nothing: a namespace has those of the one that it was made in.
 */
function shownIn(name: string): (pid: string) => boolean {
  const known = new Map<string, boolean>([[namespaceOf('self') ?? '', false]])
  return (pid) => {
    const namespace = namespaceOf(pid)
    if (namespace === undefined) return false
    let isShown = known.get(namespace)
    if (isShown === undefined) {
      const mounts = mountsOf(pid).split('\n')
      isShown = mounts.some((mount) => mount.split(' ', 4)[3]?.includes(`/${name}/`) || mount.includes(` ${name} `))
      known.set(namespace, isShown)
    }
    return isShown
  }
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return undefined
  }
}

function mountsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    return ''
  }
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
