import { writeSync } from 'node:fs'

/** Less than this is not worth a call of its own. A multiple of the blocks of every usual disk. */
const BLOCK = 64 * 1024
const ZEROS = Buffer.alloc(BLOCK)

/**
 * Writes data into a new file, which has nothing at this position yet. A block of 64 KiB of the file becomes a hole if the data has
 * nothing but zeros for it, whatever it was in the original: Node can't ask a file where its holes are.
 * @returns whether the data ends with a hole. If the file does, too, the caller has to set its size.
 */
export function writeSparse(fd: number, data: Buffer, position: number): boolean {
  let from = 0
  for (let at = 0; at < data.length; ) {
    // Blocks of the file, not of the data: what comes from two frames may be one hole.
    const end = Math.min(data.length, at + BLOCK - ((position + at) % BLOCK))
    if (isZero(data, at, end)) {
      writeAll(fd, data.subarray(from, at), position + from)
      from = end
    }
    at = end
  }
  writeAll(fd, data.subarray(from), position + from)
  return data.length > 0 && from === data.length
}

/** Whether a new file with this data would have a hole. */
export function hasHole(data: Buffer): boolean {
  for (let at = 0; at < data.length; at += BLOCK) if (isZero(data, at, Math.min(data.length, at + BLOCK))) return true
  return false
}

const isZero = (data: Buffer, from: number, to: number): boolean =>
  data[from] === 0 && data[to - 1] === 0 && ZEROS.compare(data, from, to, 0, to - from) === 0

function writeAll(fd: number, data: Buffer, position: number): void {
  // A new file is at its beginning. Most are written by one plain write, which traces and tests can tell from those of an archive.
  for (let done = 0; done < data.length; )
    done += writeSync(fd, data, done, data.length - done, position + done === 0 ? null : position + done)
}
