/** Describes a tree without using any of the product's own code. */
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Thing {
  type: 'directory' | 'file' | 'symlink'
  mode: number
  mtimeNs: bigint
  /** Target of a symbolic link. */
  target?: string
  /** The first name, if several names in the tree are one file. */
  linkedTo?: string
}

/** By path relative to `root`, as a latin1 string; '' is the root itself. */
export function treeOf(root: string): Map<string, Thing> {
  const things = new Map<string, Thing>()
  const names = new Map<bigint, string[]>()
  const visit = (path: string): void => {
    const stats = lstatSync(at(root, path), { bigint: true })
    const thing = describe(stats)
    things.set(path, thing)
    if (thing.type === 'symlink') thing.target = readlinkSync(at(root, path), { encoding: 'buffer' }).toString('latin1')
    if (thing.type === 'file') names.set(stats.ino, [...(names.get(stats.ino) ?? []), path])
    if (thing.type !== 'directory') return
    const children = readdirSync(at(root, path), { encoding: 'buffer' }).map((name) => name.toString('latin1'))
    for (const child of children.sort()) visit(path === '' ? child : `${path}/${child}`)
  }
  visit('')
  // Conda also links files to its package cache; only names inside of the tree make a pair.
  const pairs = [...names.values()].filter((paths) => paths.length > 1)
  for (const path of pairs.flat()) things.get(path)!.linkedTo = pairs.find((paths) => paths.includes(path))![0]!
  return things
}

/**
 * How `copy` differs from `original`, in words. Write bits may be missing in the copy (it is read-only by default). Times are
 * compared to the microsecond. `relocate` gives the target that a symbolic link of the copy must have.
 */
export function differences(
  original: Map<string, Thing>,
  copy: Map<string, Thing>,
  relocate: (target: string) => string,
): string[] {
  const missing = [...original.keys()].filter((path) => !copy.has(path)).map((path) => `${path} is missing`)
  const changed = [...copy].flatMap(([path, thing]) => {
    const source = original.get(path)
    if (!source) return [`${path} is not in the original`]
    const [wanted, got] = [comparable(source, relocate), comparable(thing, (target) => target)]
    return wanted === got ? [] : [`${path} is ${got} instead of ${wanted}`]
  })
  return [...missing, ...changed]
}

function comparable({ type, mode, mtimeNs, target, linkedTo }: Thing, relocate: (target: string) => string): string {
  // Symbolic links have no mode of their own.
  const bits = type === 'symlink' ? '' : (mode & ~0o222).toString(8)
  return [type, bits, mtimeNs / 1000n, target === undefined ? '' : relocate(target), linkedTo ?? ''].join(' ')
}

function describe(stats: BigIntStats): Thing {
  const type = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : 'file'
  return { type, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
}

/** Changes with every write, rename or change of mode below `root`. */
export function stateOf(root: string): Map<string, string> {
  return new Map(
    [...treeOf(root).keys()].map((path) => {
      const { ino, size, mode, mtimeNs, ctimeNs } = lstatSync(at(root, path), { bigint: true })
      return [path, [ino, size, mode, mtimeNs, ctimeNs].join(' ')]
    }),
  )
}

export const contentOf = (root: string, path: string): Buffer => readFileSync(at(root, path))

const at = (root: string, path: string): Buffer =>
  path === '' ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])
