/** Above the size of any buffer pool of Node's. */
const POOLED = 256 * 1024

/** Whether a buffer has an ArrayBuffer to itself. Small ones lie in a pool with others. */
export const ownsMemory = (buffer: Uint8Array): buffer is Buffer<ArrayBuffer> =>
  buffer.buffer instanceof ArrayBuffer && buffer.buffer.byteLength > POOLED

/**
 * Frees a large buffer's memory now: the collector lets 64 MB of dead buffers gather in each thread, and looks for them all the more often.
 */
export function release(buffer: Uint8Array): void {
  if (ownsMemory(buffer)) buffer.buffer.transfer(0)
}
