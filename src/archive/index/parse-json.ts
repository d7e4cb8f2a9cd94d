import { Malformed } from '../read/malformed.ts'

/** Bytes whose objects fit into memory whatever they are: `{},{},...` takes twenty times as much. */
const HARMLESS = 64 * 1024 * 1024
/** Deeper than any index. */
const MOST_DEPTH = 16
/** In an index, an array or object stands for an occurrence of the prefix, which takes three times as many bytes. */
const BYTES_EACH = 12

/**
 * Parses JSON that somebody may have made to take all memory.
 * @throws Malformed; SyntaxError
 */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length > HARMLESS) assertModest(bytes)
  return JSON.parse(bytes.toString('utf8'))
}

function assertModest(bytes: Buffer): void {
  let [depth, count, isText] = [0, 0, false]
  const most = bytes.length / BYTES_EACH
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (isText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > MOST_DEPTH) throw new Malformed('it is nested too deeply')
      if (++count > most) throw new Malformed('it has more values than any environment')
    }
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]
