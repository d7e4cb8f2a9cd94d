import { createHash } from 'node:crypto'
import type { BytePath } from '../model/byte-path.ts'
import type { FileEntry, SymlinkEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, Scanner } from '../model/item.ts'
import type { Relocation } from '../model/relocation.ts'
import { applyToWhole } from '../relocate/apply.ts'
import { encodings } from '../relocate/encodings.ts'
import { planRelocation } from '../relocate/plan.ts'
import { relocateTarget, withoutDetour } from '../relocate/symlink.ts'

interface PrefixChange {
  /** Prefixes that the items name, as their occurrences number them. */
  from: readonly string[]
  /** A path, or a text for which another program will put one. */
  to: string
  /** Looks for `to` in the result. */
  makeScanner(entry: FileEntry): Scanner
  /** Called for each file that has no room for `to` and keeps an old prefix. */
  onNoRoom?(path: BytePath): void
}

/**
 * Gives the same items with `to` in place of the old prefixes, as if the environment had been installed there. A file whose
 * prefix changes gets another size, so each file is gathered in memory first.
 */
export async function* changePrefix(
  items: AsyncIterable<ArchiveItem>,
  change: PrefixChange,
): AsyncGenerator<ArchiveItem> {
  const { from, to } = change
  for await (const item of items) {
    const { entry, content } = item
    if (entry.type === 'symlink') yield { entry: { ...entry, target: targetOf(entry, from, to) } }
    else if (entry.type === 'file' && content !== undefined) yield await changePrefixInFile(entry, content, change)
    else yield item
  }
}

/** A link can't lead through a text that is no path. A relative one leads to the same place below any prefix, without a detour. */
function targetOf(link: SymlinkEntry, from: readonly string[], to: string): BytePath {
  const { path, target } = link
  if (!target.startsWith('/')) return withoutDetour(link, from) ?? target
  if (to.startsWith('/')) return relocateTarget(target, from, to)
  const below = relocateTarget(target, from, '')
  if (below === target) return target
  return `${'../'.repeat(path.split('/').length - 1)}${below.slice(1)}`.replace(/\/$/, '') || '.'
}

export async function changePrefixInFile(
  entry: FileEntry,
  content: Content,
  { from, to, onNoRoom, makeScanner }: PrefixChange,
): Promise<ArchiveItem> {
  const data = await gathered(content)
  const { relocation, digest } = content.facts()
  // Elsewhere nobody knows where a relative path out of the environment should lead: it stays, as such links do.
  const here = relocation && { ...relocation, outward: [] }
  const plan = here && planRelocation(to.startsWith('/') ? here : verbatim(here, from), entry, from, to)
  if (plan !== undefined && plan.left.length > 0) onNoRoom?.(entry.path)
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

/** In a URL, a text that is no path has to stand as it is too: another program will look for it. */
function verbatim(relocation: Relocation, from: readonly string[]): Relocation {
  const isPlain = from.map((prefix) => encodings.percent(prefix).equals(encodings.utf8(prefix)))
  const occurrences = relocation.occurrences.map((occurrence) =>
    occurrence.encoding === 'percent' && isPlain[occurrence.prefix]
      ? { ...occurrence, encoding: 'utf8' as const }
      : occurrence,
  )
  return { ...relocation, occurrences }
}

async function gathered({ chunks }: Content): Promise<Buffer> {
  if (Buffer.isBuffer(chunks)) return chunks
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}
