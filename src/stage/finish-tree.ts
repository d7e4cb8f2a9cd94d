import { renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import { relocateLink } from '../relocate/symlink.ts'
import type { LeftFile } from '../workers/protocol.ts'
import { asLocalFailure } from './failure.ts'
import { stagedModes } from './modes.ts'
import { EXTRACTING } from './names.ts'
import { folderOf } from './record.ts'
import { removeTree } from './remove-tree.ts'
import { rewriteLargeFiles } from './rewrite.ts'
import type { LargeFile } from './tree.ts'
import { finishDirectories, finishLargeFile, makeHardlinks, makeSymlinks } from './tree.ts'

export interface ExtractResult {
  files: number
  /** Bytes of all files. */
  bytes: number
  /** Files that still name the original prefix, because nothing of another length fits there. */
  left: LeftFile[]
  /** For `verify`: digests of the files whose bytes can't be derived from the index. */
  digests: [BytePath, string][]
  /** What it has in common with other copies on the node: files that take up no room of their own. */
  shared?: Shared
}

export interface Shared {
  files: number
  bytes: number
}

interface Unfinished {
  root: string
  index: ArchiveIndex
  /** What replaces the original prefixes; undefined: they stay. */
  to: string | undefined
  readOnly: boolean
  large: readonly LargeFile[]
  /** As the workers report them. */
  left: LeftFile[]
  digests: [BytePath, string][]
  signal?: AbortSignal | undefined
}

/** Completes the tree whose files the workers have written: large files, links, and the modes and times of folders. */
export async function finishTree({ root, index, to, large, ...rest }: Unfinished): Promise<ExtractResult> {
  const { left, digests, signal } = rest
  digests.push(...(await rewriteLargeFiles({ root, large, from: index.prefixes, to, signal })))
  for (const file of large) finishLargeFile(root, file)
  makeHardlinks(root, index.entries)
  // Symbolic links may lead anywhere. Nothing is written any more when the first of them is there.
  makeSymlinks(root, index.entries, (link) => (to === undefined ? link.target : relocateLink(link, index.prefixes, to)))
  finishDirectories(root, index.entries, stagedModes(rest.readOnly).folder)
  const files = index.entries.filter((entry) => entry.type === 'file')
  return { files: files.length, bytes: files.reduce((sum, file) => sum + file.size, 0), left, digests }
}

/**
 * Builds a tree beside the staged prefix and renames it when it is complete. Whatever stops that (an error, a full disk, the
 * signal) leaves nothing behind.
 * @throws StageError NO_SPACE, CANCELLED; what `build` throws comes through.
 */
export async function publishTree<T>(
  { prefix, signal }: { prefix: string; signal?: AbortSignal | undefined },
  build: (root: string) => Promise<T>,
): Promise<T> {
  const root = `${dirname(prefix)}/${EXTRACTING}`
  try {
    const result = await build(root)
    throwIfCancelled(signal, prefix)
    renameSync(root, prefix)
    return result
  } catch (error) {
    const failure = asLocalFailure(error, dirname(folderOf(prefix) ?? dirname(prefix)))
    // Whoever made the place of the tree removes that, with what can't be removed now.
    await removeTree(root).catch(() => {})
    throwIfCancelled(signal, prefix)
    throw failure
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined, prefix: string): void {
  if (!signal?.aborted) return
  throw new StageError('CANCELLED', `Staging to ${prefix} was cancelled`, {
    path: prefix,
    hint: 'Nothing was left behind; the original environment is as it was.',
    cause: signal.reason,
  })
}
