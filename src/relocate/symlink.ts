import { type BytePath, bytePathOf } from '../model/byte-path.ts'

/** The target of a symbolic link. It is relocated if it is one of the prefixes or lies below one, and else unchanged. */
export function relocateTarget(target: BytePath, from: readonly string[], to: string): BytePath {
  const prefix = from
    .map(bytePathOf)
    .filter((candidate) => target === candidate || target.startsWith(`${candidate}/`))
    .sort((a, b) => b.length - a.length)[0]
  return prefix === undefined ? target : bytePathOf(to) + target.slice(prefix.length)
}
