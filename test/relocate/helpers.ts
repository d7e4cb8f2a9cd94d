import type { FileEntry } from '../../src/model/entry.ts'
import type { Relocation } from '../../src/model/relocation.ts'
import { applyToWhole } from '../../src/relocate/apply.ts'
import { planRelocation, type RelocationPlan } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'

export interface FileOptions {
  path?: string
  placeholder?: FileEntry['placeholder']
  /** Sizes of the chunks in turn; one chunk if left out. */
  chunks?: readonly number[]
}

export function scan(data: Buffer, from: readonly string[], options: FileOptions = {}): Relocation | undefined {
  const { path = 'file', placeholder, chunks = [data.length + 1] } = options
  const scanner = new PrefixScanner(from, { path, size: data.length, ...(placeholder && { placeholder }) })
  for (const chunk of cut(data, chunks)) scanner.push(chunk)
  return scanner.finish()
}

/** Copies, which are overwritten when the next one is asked for: as a reader that reuses its buffers does. */
export function* cut(data: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < data.length; turn++) {
    const piece = Buffer.from(data.subarray(at, at + sizes[turn % sizes.length]!))
    at += piece.length
    yield piece
    piece.fill(0x2f)
  }
}

const NOTHING: RelocationPlan = { edits: [], left: [], sameLength: true }

export function planFor(data: Buffer, from: readonly string[], to: string, options: FileOptions = {}): RelocationPlan {
  const relocation = scan(data, from, options)
  return relocation ? planRelocation(relocation, { path: options.path ?? 'file' }, from, to) : NOTHING
}

export function relocate(data: Buffer, from: readonly string[], to: string, options: FileOptions = {}): Buffer {
  return applyToWhole(data, planFor(data, from, to, options))
}

/** latin1 in and out, for tables. */
export function relocateText(text: string, from: string, to: string, options: FileOptions = {}): string {
  return relocate(Buffer.from(text, 'latin1'), [from], to, options).toString('latin1')
}

/** The same numbers every time (mulberry32): an integer from 0 to below `limit`. */
export function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}
