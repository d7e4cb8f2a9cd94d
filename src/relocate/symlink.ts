import { type BytePath, bytePathOf, parentOf } from '../model/byte-path.ts'

/**
 * The target of a symbolic link, relocated if it is absolute and ends at or below one of the prefixes, whatever `//`, `/./` and
 * `..` are in it. A target that passes through a prefix and leaves it again gets a path that does not. Any other is kept.
 * @param from the original's prefixes: the logical one, then the real one if there are more
 */
export function relocateTarget(target: BytePath, from: readonly string[], to: string): BytePath {
  if (!target.startsWith('/')) return target
  const { inside, outside } = follow(partsOf(target), from, realOf(from))
  if (inside) return ending(target, [bytePathOf(to), ...inside].join('/'))
  return outside ? ending(target, `/${outside.join('/')}`) : target
}

/**
 * The target that a symbolic link has in the copy. A relative one is kept, unless it leads out of the environment: then it leads
 * to the same place as in the original, or back into the copy.
 * @param link its path below the prefix
 * @param from as for `relocateTarget`
 */
export function relocateLink(
  { path, target }: { path: BytePath; target: BytePath },
  from: readonly string[],
  to: string,
): BytePath {
  if (target.startsWith('/')) return relocateTarget(target, from, to)
  return relocateRelative(target, { folder: parentOf(path), from, start: realOf(from) }) ?? target
}

/**
 * What a path that is relative to a folder of the environment must be in the copy. That is an absolute path, or another relative
 * one if it leads out of the environment and in again. `undefined` if it never leads out.
 * @param start the prefix from which `..` leads out: the real one for the kernel, which does not know another
 */
export function relocateRelative(
  target: BytePath,
  { folder, from, start }: { folder: BytePath; from: readonly string[]; start: string },
): BytePath | undefined {
  const folders = partsOf(folder)
  const parts = partsOf(target)
  if (!leadsOut(parts, folders.length)) return undefined
  const { inside, outside } = follow([...partsOf(bytePathOf(start)), ...folders, ...parts], [start, ...from], start)
  if (outside) return ending(target, `/${outside.join('/')}`)
  return ending(target, [...folders.map(() => '..'), ...inside!].join('/') || '.')
}

/**
 * A relative target that ends at the same place of the environment wherever that lies, for a link that gets there by a detour: out
 * of the environment and in again, or by `//` and the like in the prefix. `undefined` for all other links.
 */
export function withoutDetour(
  { path, target }: { path: BytePath; target: BytePath },
  from: readonly string[],
): BytePath | undefined {
  const folder = parentOf(path)
  if (!target.startsWith('/')) {
    const relative = relocateRelative(target, { folder, from, start: realOf(from) })
    return relative?.startsWith('/') ? undefined : relative
  }
  const { inside } = follow(partsOf(target), from, realOf(from))
  if (!inside || from.some((prefix) => ending(target, [bytePathOf(prefix), ...inside].join('/')) === target))
    return undefined
  return ending(target, [...partsOf(folder).map(() => '..'), ...inside].join('/') || '.')
}

/** The kernel counts `..` from the real prefix, whatever path led there. */
const realOf = (from: readonly string[]): string => from[1] ?? from[0]!

const partsOf = (path: BytePath): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

/** A slash at the end is kept: it asks for a folder. */
const ending = (target: BytePath, path: BytePath): BytePath =>
  target.endsWith('/') && !path.endsWith('/') ? `${path}/` : path

/** Whether a path relative to a folder `depth` levels below the prefix leads out of it, even if it comes back. */
function leadsOut(parts: readonly string[], depth: number): boolean {
  let level = depth
  return parts.some((part) => {
    level += part === '..' ? -1 : 1
    return level < 0
  })
}

/**
 * Follows an absolute path to where it ends: `inside` a prefix, as the parts below that, or `outside` although it has been
 * inside, as the parts from the root. Neither if it is never inside. Names count as folders: it is not known whether they are
 * links. So parts are kept as they are written, except those that lead into a prefix or out of it.
 * @param start the prefix whose folder `..` leads to
 */
function follow(
  parts: readonly string[],
  from: readonly string[],
  start: string,
): { inside?: string[]; outside?: string[] } {
  const prefixes = from.map((prefix) => partsOf(bytePathOf(prefix)).join('/'))
  const parent = partsOf(bytePathOf(start)).slice(0, -1)
  let at: string[] = []
  let inside: string[] | undefined
  /** Folders above `start`, and what is written behind them. */
  let [above, behind, hasLeft]: [string[], string[], boolean] = [[], [], false]
  for (const part of parts) {
    const isLeaving = part === '..' && prefixes.includes(at.join('/'))
    hasLeft ||= isLeaving
    if (isLeaving) at = [...parent]
    else if (part === '..') at.pop()
    else at.push(part)

    const path = at.join('/')
    if (part !== '..' && prefixes.includes(path)) inside = []
    else if (prefixes.some((prefix) => `${path}/`.startsWith(`${prefix}/`))) inside?.push(part)
    else inside = undefined

    if (at.every((name, level) => name === parent[level])) [above, behind] = [[...at], []]
    else behind.push(part)
  }
  if (inside) return { inside }
  return hasLeft ? { outside: [...above, ...behind] } : {}
}
