import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { damaged } from '../archive/failure.ts'

/** So much is in memory twice, and once for each node that is slower than the others. */
const BLOCK = 1024 * 1024

/**
 * Writes a file to several processes. It is read once, whatever their number, and goes on when the slowest has taken all so far.
 * Those that end meanwhile are passed over.
 * @param goesOn asked before each block
 * @throws StageError ARCHIVE_DAMAGED if it ends before `size`
 */
export async function pour(
  { path, handle, size }: { path: string; handle: FileHandle; size: number },
  targets: readonly Writable[],
  { signal, goesOn }: { signal: AbortSignal; goesOn: () => boolean },
): Promise<void> {
  const read = async (position: number): Promise<Buffer> => {
    const block = Buffer.allocUnsafe(Math.min(BLOCK, size - position))
    const { bytesRead } = await handle.read(block, 0, block.length, position)
    if (bytesRead === 0 && block.length > 0) throw damaged(path, 'it became shorter while it was being sent')
    return block.subarray(0, bytesRead)
  }
  let ahead = await read(0)
  for (let position = 0; position < size && goesOn(); ) {
    signal.throwIfAborted()
    const block = ahead
    position += block.length
    for (const target of targets) if (target.writable) target.write(block)
    const [next] = await Promise.all([read(position), ...targets.map((target) => drained(target, signal))])
    ahead = next
  }
}

function drained(target: Writable, signal: AbortSignal): Promise<void> {
  if (target.destroyed || !target.writableNeedDrain || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      target.off('drain', done).off('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    target.on('drain', done).on('close', done)
    signal.addEventListener('abort', done)
  })
}
