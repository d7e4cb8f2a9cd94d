import type { Edit, RelocationPlan } from './plan.ts'

/** Edits one chunk of a file in place. Edits may cross its borders. Only for plans that are `sameLength`. */
export function applyToChunk(chunk: Buffer, chunkOffset: number, plan: RelocationPlan): void {
  if (!plan.sameLength) throw new TypeError('A plan that changes lengths cannot be applied to a chunk alone')
  const chunkEnd = chunkOffset + chunk.length
  for (let index = firstEndingBehind(plan.edits, chunkOffset); index < plan.edits.length; index++) {
    const { offset, swap } = plan.edits[index]!
    if (offset >= chunkEnd) break
    const skipped = Math.max(0, chunkOffset - offset)
    swap!.after.copy(chunk, offset + skipped - chunkOffset, skipped)
  }
}

/** Returns the relocated content of a whole file. */
export function applyToWhole(data: Buffer, plan: RelocationPlan): Buffer {
  return Buffer.concat([...editWindow(data, 0, plan.edits)])
}

/**
 * Relocates a file that is too large for memory. Chunks may have any size, and there is a piece for each. A piece is valid until
 * the next is requested.
 */
export async function* applyToStream(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  plan: RelocationPlan,
): AsyncGenerator<Buffer> {
  let window: Buffer = Buffer.alloc(0)
  let base = 0
  let next = 0
  for await (const chunk of chunks) {
    window = window.length === 0 ? chunk : Buffer.concat([window, chunk])
    const end = base + window.length
    const first = next
    while (next < plan.edits.length && endOf(plan.edits[next]!) <= end) next++
    // The beginning of an edit waits until the rest of it has come.
    const until = Math.min(end, plan.edits[next]?.offset ?? end)
    const edits = plan.edits.slice(first, next)
    const decided = window.subarray(0, until - base)
    // One piece, because a text may hold the prefix in every line, and handing on each line takes longer than editing it.
    if (decided.length > 0 || edits.length > 0)
      yield edits.length === 0 ? decided : Buffer.concat([...editWindow(decided, base, edits)])
    window = Buffer.from(window.subarray(until - base)) // the source may reuse its buffer
    base = until
  }
  if (window.length > 0) throw new RangeError('The content ends within an edit: it is not the file that was scanned')
}

/** Applies edits to a window that begins at offset `base` of the file and holds all of them entirely. */
function* editWindow(window: Buffer, base: number, edits: readonly Edit[]): Generator<Buffer> {
  let done = 0
  for (const edit of edits) {
    const start = edit.offset - base
    if (start < done || start + edit.length > window.length) throw new RangeError('An edit reaches beyond its place')
    if (start > done) yield window.subarray(done, start)
    done = start + edit.length
    yield edit.apply(window.subarray(start, done))
  }
  if (done < window.length) yield window.subarray(done)
}

const endOf = ({ offset, length }: Edit): number => offset + length

function firstEndingBehind(edits: readonly Edit[], offset: number): number {
  let low = 0
  let high = edits.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (endOf(edits[middle]!) > offset) high = middle
    else low = middle + 1
  }
  return low
}
