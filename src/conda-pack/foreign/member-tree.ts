import { Malformed } from '../../archive/read/malformed.ts'
import type { Member } from '../../archive/read/member.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'

interface Known {
  type: Member['type']
  /** Number of the last member of this path. */
  last: number
  size: number
  /** Of a link. */
  target: BytePath
}

/** What a folder is that has no member of its own. */
const IMPLIED: Known = { type: 'directory', last: -1, size: 0, target: '' }

/**
 * The tree that the members of an archive make. Only an archive that makes the same tree with every tool is taken: what a tool
 * does with a file below a link, or with a folder where a link was, has been the way out of many a tool.
 */
export class MemberTree {
  readonly #known = new Map<BytePath, Known>()
  /** Members that were added. */
  count = 0

  /**
   * To be called for each member, in order.
   * @throws Malformed
   */
  add({ path, type, size, target }: Member): void {
    const before = this.#known.get(path)
    const known = { type, last: this.count++, size, target }
    this.#known.set(path, known)
    // conda-pack writes a file twice if two packages have it, or if it is a script that conda-pack brings itself.
    const isSame = before === undefined || (before.type === type && (type === 'file' || type === 'directory'))
    if (!isSame) throw new Malformed(`is there twice, as a ${before.type} and as a ${type}`, path)
    for (const folder of foldersAbove(path)) {
      const above = this.#known.get(folder)
      if (above === undefined) this.#known.set(folder, IMPLIED)
      else if (above.type !== 'directory')
        throw new Malformed(`stands below ${displayPath(folder)}, a ${above.type}`, path)
    }
  }

  /**
   * To be called when all members are there.
   * @param root path of the folder in which hard links have to end, with a slash at its end, or ''
   * @throws Malformed
   */
  finish(root: BytePath): void {
    for (const [path, { type }] of this.#known)
      if (type === 'hardlink' && path.startsWith(root)) this.linkedFile(path, root)
  }

  /** The path of the file that a hard link leads to, maybe by other hard links. */
  linkedFile(link: BytePath, root: BytePath): BytePath {
    let [path, at] = [link, this.#known.get(link)!]
    while (at.type === 'hardlink') {
      path = at.target
      const next = this.#known.get(path)
      // A link comes behind what it leads to. So links can't lead in a circle.
      if (next === undefined || next.last >= at.last || !path.startsWith(root))
        throw new Malformed(`is a hard link to ${displayPath(path)}, which is not there`, link)
      at = next
    }
    if (at.type !== 'file') throw new Malformed(`is a hard link to ${displayPath(path)}, a ${at.type}`, link)
    return path
  }

  /**
   * Whether the member is the one of its path that counts, the last.
   * @param at its number
   * @throws Malformed if it is not the member that was added with this number: somebody writes to the archive
   */
  counts({ path, type, size, target }: Member, at: number): boolean {
    const known = this.#known.get(path)
    if (known === undefined || at > known.last) throw new Malformed('it changed while it was read')
    if (at < known.last) return false
    if (known.type !== type || known.size !== size || known.target !== target)
      throw new Malformed('it changed while it was read')
    return true
  }
}

export function* foldersAbove(path: BytePath): Generator<BytePath> {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) yield path.slice(0, at)
}
