import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ArchivedEntry } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { ArchiveItem } from '../model/item.ts'
import { prefixRecord, RECORD_PATH } from './record.ts'

/** What conda-pack's users look for in an unpacked environment. */
const SCRIPTS = ['activate', 'activate.fish', 'deactivate', 'conda-unpack'] as const

/** Where conda-unpack goes where the environment has one of its own, which is for another archive. */
const OTHER_UNPACK: BytePath = 'bin/conda-stage-unpack'

/**
 * Members that make an archive work for people who unpack it by `tar`: `source bin/activate`, `conda-unpack`, and what
 * that goes by. What the environment has under one of these names stays; a conda-unpack of ours then has another name.
 *
 * @param options.unpack false where the prefix needs no change: no conda-unpack then
 */
export function plainToolMembers(
  entries: readonly ArchivedEntry[],
  { prefixes, mtimeNs, unpack }: { prefixes: readonly string[]; mtimeNs: bigint; unpack: boolean },
): ArchiveItem[] {
  const known = new Map(entries.map((entry) => [entry.path, entry]))
  const items: ArchiveItem[] = []
  const add = (path: BytePath, mode: number, data: Buffer) => {
    if (!known.has(path)) items.push(member(path, mode, data, mtimeNs))
  }
  for (const name of SCRIPTS) {
    const data = template(name)
    if (name !== 'conda-unpack') add(`bin/${name}`, 0o644, data)
    else if (unpack) add(hasOther(known.get('bin/conda-unpack'), data) ? OTHER_UNPACK : 'bin/conda-unpack', 0o755, data)
  }
  if (unpack) add(RECORD_PATH, 0o644, prefixRecord(entries, prefixes))
  return items
}

/** Whether an environment's own conda-unpack is not this one. */
function hasOther(entry: ArchivedEntry | undefined, data: Buffer): boolean {
  if (entry === undefined) return false
  return entry.type !== 'file' || entry.digest !== digestOf(data)
}

function member(path: BytePath, mode: number, data: Buffer, mtimeNs: bigint): ArchiveItem {
  const facts = { digest: digestOf(data) }
  return {
    entry: { type: 'file', path, mode, size: data.length, mtimeNs },
    content: { chunks: data, facts: () => facts },
  }
}

const digestOf = (data: Buffer): string => digestFrom(hash('sha256', data, 'hex'))

const template = (name: (typeof SCRIPTS)[number]): Buffer =>
  readFileSync(new URL(`./templates/${name}`, import.meta.url))
