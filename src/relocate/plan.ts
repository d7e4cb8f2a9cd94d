import { type BytePath, bytePathOf, bytesOf, parentOf } from '../model/byte-path.ts'
import type { Occurrence, Relocation } from '../model/relocation.ts'
import { refit } from './elf.ts'
import { encodings, unitWidth } from './encodings.ts'
import { pathInCopy } from './outward.ts'
import { writeString } from './pyc.ts'
import { isPlain, mendHead } from './shebang.ts'

/** A piece of the original file, and what takes its place. */
export interface Edit {
  /** Byte offset in the original file. */
  offset: number
  /** Number of bytes of the original that are replaced. */
  length: number
  /** Returns the new bytes. `before` is exactly what the original has there. */
  apply(before: Buffer): Buffer
  /** Both sides, if they are known beforehand and equally long: then part of the piece can be edited, and undone. */
  swap?: { before: Buffer; after: Buffer }
}

export interface RelocationPlan {
  /** In order of offset, without overlaps. */
  edits: Edit[]
  /** Occurrences that cannot be relocated and stay as they are. */
  left: Occurrence[]
  /** Every edit is a swap: offsets stay valid, chunks can be edited one by one, and the plan can be reversed. */
  sameLength: boolean
}

interface Job {
  relocation: Relocation
  path: BytePath
  from: readonly string[]
  to: string
  /** The bytes of an occurrence, and the bytes that replace them. */
  spell(occurrence: Occurrence): { before: Buffer; after: Buffer }
}

/**
 * Decides how the prefixes in a file become `to`: in place if both are spelled at the same length, else as the kind
 * of file allows (see ContentKind). In a C string all prefixes are replaced, or none.
 *
 * @param file its path below the prefix
 * @param from the prefixes that the scanner searched for
 */
export function planRelocation(
  relocation: Relocation,
  file: { path: BytePath },
  from: readonly string[],
  to: string,
): RelocationPlan {
  const job: Job = { relocation, path: file.path, from, to, spell: speller(from, to) }
  const edits: Edit[] = []
  const left: Occurrence[] = []
  for (const group of groupsOf(relocation)) {
    const planned = planGroup(group, job)
    // One by one, because a group may have more members than a call takes arguments.
    if (planned) for (const edit of planned) edits.push(edit)
    else for (const occurrence of group) left.push(occurrence)
  }
  for (const { offset, length } of relocation.outward ?? []) edits.push({ offset, length, apply: outwardEdit(job) })
  edits.sort((a, b) => a.offset - b.offset)
  left.sort((a, b) => a.offset - b.offset)
  return { edits, left, sameLength: edits.every(({ swap }) => swap) }
}

/** What a plan leaves in a file, for a report; undefined if the prefix is nowhere in it any more. */
export function leftBy(plan: RelocationPlan, { kind, readable, sealed = 0 }: Relocation): Left | undefined {
  const occurrences = plan.left.length + sealed
  if (occurrences === 0) return undefined
  return { kind: plan.left.length > 0 ? kind : 'container', occurrences, ...(readable && { readable }) }
}

export interface Left extends Pick<Relocation, 'kind' | 'readable'> {
  /** How many times the original prefix still occurs in the file. */
  occurrences: number
}

/** The plan that turns the relocated bytes back into the original ones. Only a plan that is `sameLength` has one. */
export function reversePlan(plan: RelocationPlan): RelocationPlan {
  if (!plan.sameLength) throw new TypeError('Only a plan that keeps all lengths can be reversed')
  return { ...plan, edits: plan.edits.map(({ offset, swap }) => swapAt(offset, swap!.after, swap!.before)) }
}

/** Groups the occurrences that must be replaced together: in the head of a script or in one string. Others stand alone. */
function groupsOf({ kind, occurrences, head = 0 }: Relocation): Occurrence[][] {
  const groups = Map.groupBy(occurrences, ({ offset, end, encoding, counted }) => {
    if (kind === 'text') return offset < head ? 'head' : offset
    // A string that is cut off by the end of the file has no end.
    if (kind === 'elf' || kind === 'binary') return unitWidth(encoding) > 1 ? offset : `string ${end}`
    if (kind === 'pyc-only' && counted !== undefined) return `string ${end}`
    return offset
  })
  return [...groups.values()]
}

function planGroup(group: Occurrence[], job: Job): Edit[] | undefined {
  const { kind, head, fixed } = job.relocation
  const isHead = kind === 'text' && group[0]!.offset < (head ?? 0)
  if (kind === 'container') return undefined
  const keepsLength = group.every((occurrence) => {
    const { before, after } = job.spell(occurrence)
    return before.length === after.length
  })
  if (keepsLength && (fixed || !(isHead && !isPlain(bytePathOf(job.to)))))
    return group.map((occurrence) => replacement(occurrence, job))
  if (fixed) return undefined
  if (isHead) return [headEdit(group, head!, job)]
  if (kind === 'text') return group.map((occurrence) => replacement(occurrence, job))
  if (kind === 'pyc') return undefined
  if (kind === 'pyc-only') return countedEdit(group, job)
  const edit = cStringEdit(group, job) ?? dynamicEdit(group, job)
  return edit && [edit]
}

function replacement(occurrence: Occurrence, job: Job): Edit {
  const { before, after } = job.spell(occurrence)
  if (before.length === after.length) return swapAt(occurrence.offset, before, after)
  return { offset: occurrence.offset, length: before.length, apply: () => after }
}

/** Leads to the same place as from the original, wherever the copy lies. */
const outwardEdit = ({ path, from }: Job): Edit['apply'] => {
  return (before) => bytesOf(pathInCopy(before.toString('latin1'), path, from))
}

const swapAt = (offset: number, before: Buffer, after: Buffer): Edit => ({
  offset,
  length: before.length,
  apply: () => after,
  swap: { before, after },
})

function headEdit(group: Occurrence[], length: number, job: Job): Edit {
  const apply = (before: Buffer): Buffer => {
    const replaced = replaceAll(before, 0, group, job)
    const head = mendHead(replaced.toString('latin1'), bytePathOf(job.to))
    // A zip behind it may have moved away from the file's beginning, not towards it. The kernel drops the blanks.
    return bytesOf(job.relocation.sealed === undefined ? head : head.padEnd(length))
  }
  return { offset: 0, length, apply }
}

/** A longer string is none: it would have to be in memory. */
const LONGEST_STRING = 16 * 1024 * 1024

/** Moves the rest of the string up or down, over the NULs that conda's placeholder left behind it. */
function cStringEdit(group: Occurrence[], job: Job): Edit | undefined {
  const { offset, end, room } = group[0]!
  if (end === undefined || room === undefined || end - offset > LONGEST_STRING) return undefined
  const growth = group.reduce((sum, occurrence) => {
    const { before, after } = job.spell(occurrence)
    return sum + after.length - before.length
  }, 0)
  if (growth > room) return undefined
  const length = end - offset + Math.max(0, growth)
  const apply = (before: Buffer): Buffer => {
    const padded = Buffer.alloc(length)
    replaceAll(before.subarray(0, end - offset), offset, group, job).copy(padded)
    return padded
  }
  return { offset, length, apply }
}

/** Writes a counted string of byte code anew, with its count. */
function countedEdit(group: Occurrence[], job: Job): Edit[] | undefined {
  const { counted: offset, end } = group[0]!
  if (offset === undefined || end === undefined) return undefined
  const apply = (before: Buffer): Buffer => {
    const start = 'zZ'.includes(String.fromCharCode(before[0]! & 0x7f)) ? 2 : 5
    return writeString(before[0]!, replaceAll(before.subarray(start), offset + start, group, job))
  }
  return [{ offset, length: end - offset, apply }]
}

/** Rewrites RPATH, RUNPATH or NEEDED within its own bytes. */
function dynamicEdit(group: Occurrence[], { relocation, path, from, to }: Job): Edit | undefined {
  const first = group[0]!
  const string = relocation.dynamic?.find(
    ({ offset, text }) => offset <= first.offset && offset + text.length === first.end,
  )
  if (!string) return undefined
  const folder = parentOf(path)
  const text = refit(string, { folder, from: from.map(bytePathOf), to: bytePathOf(to), count: group.length })
  return text === undefined ? undefined : swapAt(string.offset, bytesOf(string.text), bytesOf(text))
}

/** Replaces all occurrences of a group in `data`, which begins at offset `base` of the file. */
function replaceAll(data: Buffer, base: number, group: readonly Occurrence[], job: Job): Buffer {
  const pieces: Buffer[] = []
  let done = 0
  for (const occurrence of group) {
    const { before, after } = job.spell(occurrence)
    const start = Math.max(done, occurrence.offset - base)
    pieces.push(data.subarray(done, start), after)
    done = start + before.length
  }
  return Buffer.concat([...pieces, data.subarray(done)])
}

/** Spells each prefix only once: large files hold thousands of occurrences. */
function speller(from: readonly string[], to: string): Job['spell'] {
  const spelled = new Map<string, { before: Buffer; after: Buffer }>()
  return ({ prefix, encoding }) => {
    const key = `${prefix} ${encoding}`
    const known = spelled.get(key)
    if (known) return known
    const spell = encodings[encoding]
    const both = { before: spell(from[prefix]!), after: spell(to) }
    spelled.set(key, both)
    return both
  }
}
