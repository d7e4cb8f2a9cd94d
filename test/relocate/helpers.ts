import type { FileEntry } from '../../src/model/entry.ts'
import type { Relocation, Siblings } from '../../src/model/relocation.ts'
import { applyToWhole } from '../../src/relocate/apply.ts'
import { planRelocation, type RelocationPlan } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'

export interface FileOptions {
  path?: string
  placeholder?: FileEntry['placeholder']
  /** Sizes of the chunks, used in turn. By default the file is one chunk. */
  chunks?: readonly number[]
  /** The evidence for other paths. */
  siblings?: Siblings
}

export function scan(data: Buffer, from: readonly string[], options: FileOptions = {}): Relocation | undefined {
  const scanner = scanned(data, from, options)
  return scanner.finish()
}

/** A scanner that has seen all of the data. */
export function scanned(data: Buffer, from: readonly string[], options: FileOptions = {}): PrefixScanner {
  const { path = 'file', placeholder, chunks = [data.length + 1], siblings } = options
  const scanner = new PrefixScanner(from, { path, size: data.length, ...(placeholder && { placeholder }) }, siblings)
  for (const chunk of cut(data, chunks)) scanner.push(chunk)
  return scanner
}

/** Cuts data into copies that are overwritten when the next one is requested, like the buffers of a real reader. */
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

/** Takes and returns latin1, for tables. */
export function relocateText(text: string, from: string, to: string, options: FileOptions = {}): string {
  return relocate(Buffer.from(text, 'latin1'), [from], to, options).toString('latin1')
}

/** A generator of integers from 0 to below `limit`, the same ones every time (mulberry32). */
export function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}
