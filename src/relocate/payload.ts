import { elfEnd } from './elf.ts'
import { isElf, payloadOf } from './kind.ts'

/** A container behind a script or a program. */
export interface Payload {
  /** Offset of its first byte. */
  start: number
  /** A zip is found from its end, so that what is in front of it may grow. */
  isZip: boolean
}

const END_OF_DIRECTORY = 22
const LONGEST_END = 1024
const END_MARK = Buffer.from('PK\x05\x06')

/**
 * Finds the container that a file carries behind its script or program.
 *
 * @param head the file's beginning
 * @param tail its end
 * @param size of the file
 */
export function findPayload(head: Buffer, tail: Buffer, size: number): Payload | undefined {
  const behindScript = payloadOf(head)
  if (behindScript !== undefined)
    return { start: behindScript, isZip: head.toString('latin1', behindScript, behindScript + 2) === 'PK' }
  const start = zipStart(head, tail, size)
  return start === undefined || start === 0 ? undefined : { start, isZip: true }
}

/** Where the zip begins whose end is the file's end; a zip may count its offsets from the file's beginning or its own. */
function zipStart(head: Buffer, tail: Buffer, size: number): number | undefined {
  // Behind it stands a comment, which hardly any zip has.
  const skipped = Math.max(0, tail.length - LONGEST_END)
  const at = skipped + tail.subarray(skipped).lastIndexOf(END_MARK)
  if (at < skipped || at + END_OF_DIRECTORY > tail.length) return undefined
  if (at + END_OF_DIRECTORY + tail.readUInt16LE(at + 20) !== tail.length) return undefined
  const [directorySize, directory] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)]
  const own = size - tail.length + at - directorySize - directory
  if (own > 0) return own
  if (isElf(head)) return elfEnd(head)
  const first = head.indexOf('PK\x03\x04')
  return first === -1 ? undefined : first
}
