import { displayPath } from '../model/byte-path.ts'
import { whyHarmless } from '../stage/harmless.ts'
import type { LeftFile } from '../workers/protocol.ts'

/** A warning where the original prefix (one of `from`) had to be left in files by which a program may go. */
export function leftMessages(left: readonly LeftFile[], from: readonly string[], to: string): string[] {
  const bad = left.filter(({ path, kind }) => whyHarmless(path, kind) === undefined)
  if (bad.length === 0) return []
  const shown = bad.slice(0, 5).map(({ path }) => displayPath(path))
  const more = bad.length > shown.length ? ` and ${bad.length - shown.length} more` : ''
  const files = `${shown.join(', ')}${more}: these still reach the original`
  if (from.every((prefix) => Buffer.byteLength(prefix) < Buffer.byteLength(to)))
    return [
      `The path of the copy is longer than that of the original, and does not fit into ${files}. A shorter local folder (--path=DIR) avoids it`,
    ]
  return [`The path of the copy is not as long as that of the original, as it would have to be in ${files}`]
}
