import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { type BytePath, fsPath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import { writeSparse } from '../platform/write-sparse.ts'
import { applyToStream } from '../relocate/apply.ts'
import { leftBy, planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import { patchFile } from '../workers/patch-file.ts'
import type { LeftFile } from '../workers/protocol.ts'
import type { LargeFile } from './tree.ts'

const CHUNK = 1024 * 1024

export interface RewriteOptions {
  root: string
  /** Files that span several frames. */
  large: readonly LargeFile[]
  from: readonly string[]
  /** undefined: the prefixes stay. */
  to: string | undefined
  signal?: AbortSignal | undefined
}

/**
 * Relocates large files in which something moves. No worker has all of such a file, so workers write its original
 * bytes, and this copies them through a window of a few megabytes.
 * Returns the digests of these files (first 16 bytes of the SHA-256, in hex).
 */
export async function rewriteLargeFiles({ root, large, from, to, signal }: RewriteOptions) {
  const digests: [BytePath, string][] = []
  for (const { path, relocation } of large) {
    if (relocation === undefined || to === undefined) continue
    const plan = planRelocation(relocation, { path }, from, to)
    if (!plan.sameLength) digests.push([path, await rewrite(root, path, plan, signal)])
  }
  return digests
}

/**
 * Relocates large files in place if nothing moves in them. Their pieces were written with the original bytes.
 * Returns the files in which a prefix stays, in place or not.
 */
export function patchLargeFiles({ root, large, from, to }: RewriteOptions): LeftFile[] {
  return large.flatMap(({ path, relocation }) => {
    if (relocation === undefined || to === undefined) return []
    const plan = planRelocation(relocation, { path }, from, to)
    if (plan.sameLength && plan.edits.length > 0) patchFile(fsPath(root, path), plan)
    const left = leftBy(plan, relocation)
    return left ? [{ path, ...left }] : []
  })
}

async function rewrite(
  root: string,
  path: BytePath,
  plan: RelocationPlan,
  signal: AbortSignal | undefined,
): Promise<string> {
  // Beside the tree, where no entry can have this name.
  const aside = `${root}.new`
  const source = await open(fsPath(root, path), constants.O_RDONLY | constants.O_NOFOLLOW)
  const target = await open(aside, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    const original = source.createReadStream({ highWaterMark: CHUNK, autoClose: false })
    let size = 0
    for await (const chunk of applyToStream(original as AsyncIterable<Buffer>, plan)) {
      signal?.throwIfAborted()
      hash.update(chunk)
      writeSparse(target.fd, chunk, size)
      size += chunk.length
    }
    await target.truncate(size)
    await rename(aside, fsPath(root, path))
    return digestFrom(hash.digest('hex'))
  } finally {
    await source.close()
    await target.close()
    await rm(aside, { force: true })
  }
}
