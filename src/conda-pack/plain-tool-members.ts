import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ArchivedEntry, ArchiveIndex } from '../model/archive-index.ts'
import { type BytePath, bytePathOf } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import type { RenamedMembers } from '../model/entry.ts'
import type { ArchiveItem } from '../model/item.ts'
import { type EnvironmentKind, kindIn } from '../model/kind.ts'
import { readSmall } from '../platform/read-small.ts'
import { lstat } from '../platform/remote-fs.ts'
import { prefixRecord, recordPath } from './prefix-record.ts'

/** The scripts that conda-pack's users expect in an unpacked environment. */
const SCRIPTS = ['activate', 'activate.fish', 'deactivate', 'conda-unpack'] as const
type Script = (typeof SCRIPTS)[number]

/** What the names of the environment's own scripts end in. */
const OWN = '.own'

interface PlainToolOptions {
  /** False if the prefix needs no change: there is no conda-unpack then. */
  unpack: boolean
}

/**
 * Names for scripts of the environment that have the name of one of ours: conda, a virtual environment or another
 * archive brought them. In the archive, people who unpack it have to find ours under the documented names. A script
 * that is ours already keeps its name.
 */
export async function renamedScripts(
  { prefix, kind }: { prefix: string; kind: EnvironmentKind },
  { unpack }: PlainToolOptions,
): Promise<RenamedMembers> {
  const renamed = new Map<BytePath, BytePath>()
  const rename = async (name: BytePath): Promise<void> => {
    const own = name + OWN
    if ((await typeAt(`${prefix}/${own}`)) !== 'nothing') await rename(own)
    renamed.set(name, own)
  }
  await Promise.all(
    scriptsFor(kind, unpack).map(async (script) => {
      const name = bytePathOf(`bin/${script}`)
      const type = await typeAt(`${prefix}/${name}`)
      if (type === 'other' || (type === 'file' && !(await isOurs(`${prefix}/${name}`, script)))) await rename(name)
    }),
  )
  return renamed
}

/**
 * Members for people who unpack an archive with `tar`: the scripts to activate, leave and relocate the environment, and
 * the record that conda-unpack reads.
 */
export function plainToolMembers(
  entries: readonly ArchivedEntry[],
  { prefixes, created, unpack, renamed }: PlainToolOptions & PlainToolFacts,
): ArchiveItem[] {
  const mtimeNs = BigInt(Date.parse(created) || 0) * 1_000_000n
  const taken = new Set(entries.map(({ path }) => path).filter((path) => !renamed.has(path)))
  const kind = kindIn(entries)
  const scripts = scriptsFor(kind, unpack).map((script) =>
    member(`bin/${script}`, script === 'conda-unpack' ? 0o755 : 0o644, template(script), mtimeNs),
  )
  const record = unpack ? [member(recordPath(kind), 0o644, prefixRecord(entries, prefixes, renamed), mtimeNs)] : []
  return [...scripts, ...record].filter(({ entry }) => !taken.has(entry.path))
}

/**
 * The same for an archive that is there: what it may hold besides its entries. Digests are those that this version would
 * write.
 */
export function expectedMembers({
  entries,
  prefixes,
  created,
}: Pick<ArchiveIndex, 'entries' | 'prefixes' | 'created'>): { path: BytePath; digest: string }[] {
  const known = new Map(entries.map((entry) => [entry.path, entry]))
  const renamed = new Map<BytePath, BytePath>()
  for (const script of scriptsFor(kindIn(entries), true)) {
    const path = bytePathOf(`bin/${script}`)
    const entry = known.get(path)
    const isOwn = entry?.type === 'file' && entry.digest === digestFrom(hash('sha256', template(script), 'hex'))
    if (entry === undefined || entry.type === 'directory' || isOwn) continue
    let own = path + OWN
    while (known.has(own)) own += OWN
    renamed.set(path, own)
  }
  const items = plainToolMembers(entries, { prefixes, created, unpack: true, renamed })
  return items.map(({ entry, content }) => ({ path: entry.path, digest: content!.facts().digest }))
}

interface PlainToolFacts {
  prefixes: readonly string[]
  /** When the archive was made, ISO 8601: the mtime of the members. */
  created: string
  /** From `renamedScripts`. */
  renamed: RenamedMembers
}

/** A virtual environment has scripts to activate it, which conda-unpack relocates. */
const scriptsFor = (kind: EnvironmentKind, unpack: boolean): Script[] =>
  SCRIPTS.filter((script) => (script === 'conda-unpack' ? unpack : kind !== 'venv'))

/** A folder counts as nothing: no script of ours can take its place. */
async function typeAt(path: string): Promise<'file' | 'other' | 'nothing'> {
  const facts = await lstat(path).catch(() => undefined)
  if (facts === undefined || facts.isDirectory()) return 'nothing'
  return facts.isFile() ? 'file' : 'other'
}

async function isOurs(path: string, script: Script): Promise<boolean> {
  const ours = template(script)
  return (await readSmall(path, ours.length).catch(() => undefined))?.equals(ours) ?? false
}

function member(path: BytePath, mode: number, data: Buffer, mtimeNs: bigint): ArchiveItem {
  const facts = { digest: digestFrom(hash('sha256', data, 'hex')) }
  return {
    entry: { type: 'file', path, mode, size: data.length, mtimeNs },
    content: { chunks: data, facts: () => facts },
  }
}

const template = (script: Script): Buffer => readFileSync(new URL(`./templates/${script}`, import.meta.url))
