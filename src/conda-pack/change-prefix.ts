import { createHash } from 'node:crypto'
import type { BytePath } from '../model/byte-path.ts'
import type { FileEntry, SymlinkEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, Scanner } from '../model/item.ts'
import type { Relocation } from '../model/relocation.ts'
import { applyToStream } from '../relocate/apply.ts'
import { encodings } from '../relocate/encodings.ts'
import { planRelocation } from '../relocate/plan.ts'
import { relocateTarget, withoutDetour } from '../relocate/symlink.ts'
import { Spool } from './spool.ts'

interface PrefixChange {
  /** Prefixes that the items name, as their occurrences number them. */
  from: readonly string[]
  /** A path, or a text for which another program will put one. */
  to: string
  /** Looks for `to` in the result. */
  makeScanner(entry: FileEntry): Scanner
  /** A file in whose folder there is room for a large file. */
  beside: string
  /** Called for each file that has no room for `to` and keeps an old prefix. Byte code beside its source may: see `ContentKind`. */
  onNoRoom?(path: BytePath): void
}

/**
 * Gives the same items with `to` in place of the old prefixes, as if the environment had been installed there. A file whose
 * prefix changes gets another size, which its header states, so all of it is read before any of it is given.
 */
export async function* changePrefix(
  items: AsyncIterable<ArchiveItem>,
  change: PrefixChange,
): AsyncGenerator<ArchiveItem> {
  const { from, to } = change
  for await (const item of items) {
    const { entry, content } = item
    if (entry.type === 'symlink') yield { entry: { ...entry, target: targetOf(entry, from, to) } }
    else if (entry.type === 'file' && content !== undefined) yield* changePrefixInFile(entry, content, change)
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

/** The most bytes of a file that are kept in memory. */
const IN_MEMORY = 32 * 1024 * 1024

/** Gives the one file. It can be read until the next item is asked for. */
export async function* changePrefixInFile(
  entry: FileEntry,
  content: Content,
  change: PrefixChange,
): AsyncGenerator<ArchiveItem> {
  if (Buffer.isBuffer(content.chunks) || entry.size <= IN_MEMORY) {
    const data = await gathered(content)
    yield await changed(entry, { content, again: () => once(data) }, change)
    return
  }
  const spool = await Spool.of(content.chunks, change.beside)
  try {
    yield await changed(entry, { content, again: () => spool.read() }, change)
  } finally {
    await spool.close()
  }
}

/** @param source the content, consumed; `again` gives its bytes once more */
async function changed(
  entry: FileEntry,
  { content, again }: { content: Content; again(): AsyncIterable<Buffer> },
  { from, to, onNoRoom, makeScanner }: PrefixChange,
): Promise<ArchiveItem> {
  const { relocation, digest } = content.facts()
  // Elsewhere nobody knows where a relative path out of the environment should lead: it stays, as such links do.
  const here = relocation && { ...relocation, outward: [] }
  const plan = here && planRelocation(to.startsWith('/') ? here : verbatim(here, from), entry, from, to)
  if (plan !== undefined && plan.left.length > 0 && here?.kind !== 'pyc') onNoRoom?.(entry.path)
  const result = () => (plan === undefined ? again() : applyToStream(again(), plan))
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of result()) {
    hash.update(chunk)
    size += chunk.length
  }
  // It goes by the size, too.
  const scanner = makeScanner({ ...entry, size })
  for await (const chunk of result()) scanner.push(chunk)
  const found = scanner.finish()
  const facts = { digest: hash.digest('hex').slice(0, digest.length), ...(found && { relocation: found }) }
  return { entry: { ...entry, size }, content: { chunks: result(), facts: () => facts } }
}

async function* once(data: Buffer): AsyncGenerator<Buffer> {
  yield data
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
