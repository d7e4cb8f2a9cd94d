import { createHash } from 'node:crypto'
import { throwIfCancelled } from '../../inventory/cancel.ts'
import type { ArchivedEntry, ArchivedFile } from '../../model/archive-index.ts'
import { type BytePath, displayPath, fsPath } from '../../model/byte-path.ts'
import { digestFrom } from '../../model/digest.ts'
import { closeRead } from '../../platform/close.ts'
import { READ_ONLY } from '../../platform/fd.ts'
import { drain } from '../../platform/in-flight.ts'
import { open } from '../../platform/remote-fs.ts'
import { unreadable } from '../../platform/unreadable.ts'
import type { Facts, Tree } from './tree.ts'

/** What is not the same in a folder and in an archive. */
export interface Difference {
  path: BytePath
  /** A predicate for it. */
  why: string
  /** It is in the folder, and not in the archive. */
  isLeftOut?: true
}

/** Everything but bytes: types, modes, times to the nanosecond, sizes, targets, and which names are of one file. */
export function differencesOf(tree: Tree, entries: readonly ArchivedEntry[]): Difference[] {
  const found: Difference[] = []
  const known = new Map(entries.map((entry) => [entry.path, entry]))
  for (const entry of entries) {
    const facts = tree.get(entry.path)
    const why = facts === undefined ? 'is only in the archive' : differenceOf(facts, entry)
    if (why !== undefined) found.push({ path: entry.path, why })
  }
  for (const { path, type } of tree.values()) {
    if (known.has(path)) continue
    found.push({ path, why: /^is /.test(type) ? type : 'is not in the archive', isLeftOut: true })
  }
  return [...found, ...differentLinks(tree, entries)]
}

function differenceOf(facts: Facts, entry: ArchivedEntry): string | undefined {
  const type = entry.type === 'hardlink' ? 'file' : entry.type
  if (facts.type !== type) return `is a ${entry.type} in the archive`
  if (facts.mode !== entry.mode && type !== 'symlink') return 'has another mode in the archive'
  if (facts.mtimeNs !== entry.mtimeNs) return 'has another time in the archive'
  if (entry.type === 'file' && facts.size !== entry.size) return 'has another size in the archive'
  if (entry.type === 'symlink' && facts.target !== entry.target) return 'leads elsewhere in the archive'
  return undefined
}

/** Hard links: each name has to be one of the same file as its target, and of no other. */
function differentLinks(tree: Tree, entries: readonly ArchivedEntry[]): Difference[] {
  const owners = new Map<string, BytePath>()
  for (const { path, type } of entries) if (type === 'file') owners.set(tree.get(path)?.inode ?? path, path)
  return entries.flatMap((entry): Difference[] => {
    const inode = tree.get(entry.path)?.inode
    if (inode === undefined || (entry.type !== 'file' && entry.type !== 'hardlink')) return []
    const owner = entry.type === 'file' ? entry.path : entry.target
    return owners.get(inode) === owner ? [] : [{ path: entry.path, why: 'is a name of another file in the archive' }]
  })
}

/** Files that are read at once, in pieces. */
const AT_ONCE = 32
const PIECE = 1024 * 1024

/**
 * The files whose bytes are not those of the archive.
 * @throws StageError UNREADABLE, CANCELLED
 */
export async function differentBytes(
  root: string,
  entries: readonly ArchivedEntry[],
  { signal, onChecked }: { signal?: AbortSignal | undefined; onChecked?: (files: number, total: number) => void },
): Promise<Difference[]> {
  const files = entries.filter((entry) => entry.type === 'file')
  const found: Difference[] = []
  let done = 0
  await drain([...files], AT_ONCE, async (file) => {
    throwIfCancelled(signal, root)
    if ((await digestOf(root, file)) !== file.digest)
      found.push({ path: file.path, why: 'has other bytes in the archive' })
    onChecked?.(++done, files.length)
  })
  return found
}

async function digestOf(root: string, { path, size }: ArchivedFile): Promise<string> {
  try {
    const handle = await open(fsPath(root, path), READ_ONLY)
    try {
      const hash = createHash('sha256')
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, size + 1))
      for (;;) {
        const { bytesRead } = await handle.read(piece, 0, piece.length, null)
        if (bytesRead === 0) return digestFrom(hash.digest('hex'))
        hash.update(piece.subarray(0, bytesRead))
      }
    } finally {
      await closeRead(handle)
    }
  } catch (error) {
    throw unreadable(`${root}/${displayPath(path)}`, error)
  }
}
