import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ArchivedEntry } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { ArchiveItem } from '../model/item.ts'
import { prefixRecord, RECORD_PATH } from './prefix-record.ts'

/** The scripts that conda-pack's users expect in an unpacked environment. */
const SCRIPTS = ['activate', 'activate.fish', 'deactivate', 'conda-unpack'] as const

/** Name of conda-unpack if the environment has one of its own, which belongs to another archive. */
const OTHER_UNPACK: BytePath = 'bin/conda-stage-unpack'

/**
 * Members for people who unpack an archive with `tar`: the scripts to activate, leave and relocate the environment, and
 * the record that conda-unpack reads. A file of the environment keeps its name; our conda-unpack then takes another one.
 *
 * @param options.created when the archive was made, ISO 8601: the mtime of the members
 * @param options.unpack false if the prefix needs no change: there is no conda-unpack then
 */
export function plainToolMembers(
  entries: readonly ArchivedEntry[],
  { prefixes, created, unpack }: { prefixes: readonly string[]; created: string; unpack: boolean },
): ArchiveItem[] {
  const mtimeNs = BigInt(Date.parse(created)) * 1_000_000n
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

/** Whether the environment has a conda-unpack that is not this one. */
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
