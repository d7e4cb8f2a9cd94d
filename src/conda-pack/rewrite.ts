import { createHash } from 'node:crypto'
import type { BytePath } from '../model/byte-path.ts'
import type { FileEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, Scanner } from '../model/item.ts'
import { applyToWhole } from '../relocate/apply.ts'
import { planRelocation } from '../relocate/plan.ts'
import { relocateTarget } from '../relocate/symlink.ts'

export interface RewriteOptions {
  /** Prefixes that stand in the items, as the occurrences number them. */
  from: readonly string[]
  to: string
  /** Looks for `to` in what comes out. */
  makeScanner(entry: FileEntry): Scanner
  /** Called for each file in which a prefix had to stay. */
  onLeft?(path: BytePath): void
}

/**
 * The same items with one prefix in place of others, as they would be if the environment had been installed there. A
 * file in which something changes has another size, so each is gathered in memory before it goes on.
 */
export async function* rewriteItems(
  items: AsyncIterable<ArchiveItem>,
  options: RewriteOptions,
): AsyncGenerator<ArchiveItem> {
  const { from, to } = options
  for await (const item of items) {
    const { entry, content } = item
    if (entry.type === 'symlink') yield { entry: { ...entry, target: relocateTarget(entry.target, from, to) } }
    else if (entry.type === 'file' && content !== undefined) yield await rewriteFile(entry, content, options)
    else yield item
  }
}

/** The same for one file. */
export async function rewriteFile(entry: FileEntry, content: Content, options: RewriteOptions): Promise<ArchiveItem> {
  const { from, to, onLeft, makeScanner } = options
  const data = await whole(content)
  const { relocation, digest } = content.facts()
  // Elsewhere nobody knows where a relative path out of the environment should lead: it stays, as such links do.
  const plan = relocation && planRelocation({ ...relocation, outward: [] }, entry, from, to)
  if (plan !== undefined && plan.left.length > 0) onLeft?.(entry.path)
  const changed = plan === undefined ? data : applyToWhole(data, plan)
  const scanner = makeScanner(entry)
  scanner.push(changed)
  const found = scanner.finish()
  const facts = {
    digest: createHash('sha256').update(changed).digest('hex').slice(0, digest.length),
    ...(found && { relocation: found }),
  }
  return { entry: { ...entry, size: changed.length }, content: { chunks: changed, facts: () => facts } }
}

async function whole({ chunks }: Content): Promise<Buffer> {
  if (Buffer.isBuffer(chunks)) return chunks
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}
