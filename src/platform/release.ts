/** Larger than any of Node's buffer pools. */
const POOLED = 256 * 1024

/** Whether a buffer has an ArrayBuffer to itself. Small buffers share a pool. */
export const ownsMemory = (buffer: Uint8Array): buffer is Buffer<ArrayBuffer> =>
  buffer.buffer instanceof ArrayBuffer && buffer.buffer.byteLength > POOLED

/**
 * Frees a large buffer's memory now. Otherwise the garbage collector lets 64 MB of dead buffers gather in each thread, and
 * runs more often because of them.
 */
export function release(buffer: Uint8Array): void {
  if (ownsMemory(buffer)) buffer.buffer.transfer(0)
}
