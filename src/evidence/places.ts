import { basename, dirname, resolve } from 'node:path'
import { isNetwork, type Mount, mountOf, parseMountInfo, readMountInfo } from '../platform/mounts.ts'
import { lstat, readlink, realpath } from '../platform/remote-fs.ts'

/** Where a name stands, or would stand. */
export interface Standing {
  /** With all symbolic links resolved that were to be followed. */
  real: string
  mount: Mount | undefined
  kind: Kind
  isFile: boolean
}

/**
 * Tells where names stand. A folder is asked for once, and a name that is not there stands where its nearest folder does. What was
 * removed meanwhile counts as not there.
 */
export function placesOf(mounts: readonly Mount[] = parseMountInfo(readMountInfo())) {
  const folders = new Map<string, Promise<string>>()
  const folderOf = (path: string): Promise<string> => {
    const known = folders.get(path)
    if (known) return known
    const found = realpath(path).catch(async () => below(await folderOf(dirname(path)), basename(path)))
    folders.set(path, found)
    return found
  }
  async function standing(path: string, follows: boolean): Promise<Pick<Standing, 'real' | 'isFile'>> {
    if (/\/(?:\.{0,2})$/.test(path)) return { real: await folderOf(path), isFile: false }
    const folder = await folderOf(dirname(path))
    const real = below(folder, basename(path))
    // Each name there belongs to a process that has ended.
    if (/^\/proc(?:\/|$)/.test(real)) return { real, isFile: false }
    const facts = await lstat(real).catch(() => undefined)
    if (!facts?.isSymbolicLink() || !follows) return { real, isFile: facts?.isFile() ?? false }
    const target = await realpath(real).catch(() => undefined)
    if (target !== undefined)
      return {
        real: target,
        isFile: await lstat(target).then(
          (found) => found.isFile(),
          () => false,
        ),
      }
    const missing = resolve(folder, await readlink(real).catch(() => real))
    return { real: below(await folderOf(dirname(missing)), basename(missing)), isFile: false }
  }
  const mountsOf = new Map<string, Mount | undefined>()
  const mountAt = (real: string): Mount | undefined => {
    // A mount covers a folder, or a single file.
    const key = mounts.some(({ mountPoint }) => mountPoint === real) ? real : dirname(real)
    if (!mountsOf.has(key)) mountsOf.set(key, mountOf(key, mounts))
    return mountsOf.get(key)
  }
  return async (path: string, follows: boolean): Promise<Standing> => {
    const { real, isFile } = await standing(path, follows)
    const mount = mountAt(real)
    return { real, isFile, mount, kind: kindOf(mount, mounts) }
  }
}

const below = (folder: string, name: string): string => (folder === '/' ? `/${name}` : `${folder}/${name}`)

/** What the kernel makes up itself. */
const VIRTUAL =
  /^(?:proc|sysfs|devtmpfs|devpts|cgroup2?|mqueue|debugfs|tracefs|securityfs|configfs|bpf|nsfs|pstore|efivarfs|binfmt_misc|hugetlbfs)$/

export type Kind = 'local' | 'network' | 'kernel'

/** Who answers for names on a file system. Of one that is not known, nobody may say that it is local. */
function kindOf(mount: Mount | undefined, mounts: readonly Mount[]): Kind {
  if (mount === undefined || isNetwork(mount.fsType)) return 'network'
  if (mount.fsType === 'overlay') {
    const below = layersOf(mount).map((layer) => mountOf(layer, mounts))
    // In a container, the paths of its layers are those of another place.
    const others = below.filter((layer) => layer !== undefined && layer.fsType !== 'overlay')
    return others.some((layer) => kindOf(layer, mounts) === 'network') ? 'network' : 'local'
  }
  return VIRTUAL.test(mount.fsType) || mount.mountPoint === '/dev' ? 'kernel' : 'local'
}

/** The folders that an overlay shows as one. It asks each of them, from the top down, until one has the name. */
const layersOf = ({ options }: Mount): string[] =>
  options.flatMap((option) => {
    const paths = /^(?:lowerdir\+?|upperdir)=(.*)$/s.exec(option)?.[1]
    return paths?.split(':').filter((path) => path.startsWith('/')) ?? []
  })
