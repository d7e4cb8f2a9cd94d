import { dirname, join } from 'node:path'
import { readSmall } from '../platform/read-small.ts'
import { exists, realpath } from '../platform/remote-fs.ts'

/** The installation of Python from which a virtual environment has its standard library. */
export interface VenvBase {
  /** What `sys.base_prefix` is in the environment. */
  prefix: string
  /** With symbolic links resolved. */
  real: string
}

/**
 * The base of a virtual environment, or of a copy of one. Python is not started: like it (getpath.py in CPython), we take the folder
 * that `home` in pyvenv.cfg names, or the nearest above it that has the standard library.
 * @returns undefined if pyvenv.cfg names none that is there
 */
export async function findVenvBase(prefix: string): Promise<VenvBase | undefined> {
  const settings = await readSettings(prefix)
  const home = settings.get('home')
  if (!home?.startsWith('/') || !(await exists(home))) return undefined
  const version = /^\d+\.\d+/.exec(settings.get('version') ?? settings.get('version_info') ?? '')?.[0]
  for (let folder = dirname(home); ; folder = dirname(folder)) {
    if (await holdsPython(folder, version)) return { prefix: folder, real: await realpath(folder) }
    if (folder === dirname(folder)) return undefined
  }
}

/** Whether a folder is a Python's prefix. */
async function holdsPython(folder: string, version: string | undefined): Promise<boolean> {
  if (version === undefined) return false
  for (const name of [`python${version}`, `python${version}t`, `pypy${version}`])
    if (await exists(join(folder, 'lib', name, 'os.py'))) return true
  return false
}

/** The system's own. It is on local disk nearly everywhere, and holds much more than Python. */
export const isOfSystem = ({ real }: VenvBase): boolean => ['/', '/usr', '/usr/local'].includes(real)

const MOST_BYTES = 64 * 1024

/** Keys are in lower case, as Python compares them. */
async function readSettings(prefix: string): Promise<Map<string, string>> {
  const text = await readSmall(`${prefix}/pyvenv.cfg`, MOST_BYTES).then(String, () => '')
  const pairs = text.split(/\r?\n/).map((line): [string, string] => {
    const [key = '', ...value] = line.split('=')
    return [key.trim().toLowerCase(), value.join('=').trim()]
  })
  return new Map(pairs)
}
