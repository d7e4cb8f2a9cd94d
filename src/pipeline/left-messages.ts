import { byPath, displayPath } from '../model/byte-path.ts'
import { whyHarmless } from '../stage/harmless.ts'
import type { LeftFile } from '../workers/protocol.ts'

/** A warning if the original prefix (one of `from`) had to stay in files that a program may use. */
export function leftMessages(left: readonly LeftFile[], from: readonly string[], to: string): string[] {
  const bad = left.filter((file) => whyHarmless(file.path, file) === undefined)
  const { container = [], other = [] } = Object.groupBy(bad, ({ readable }) => (readable ? 'container' : 'other'))
  const still = 'still point to the original'
  const isLonger = from.every((prefix) => Buffer.byteLength(prefix) < Buffer.byteLength(to))
  const why = isLonger ? "is longer than the original's" : 'has a different length'
  const remedy = isLonger ? '. A shorter local folder (--path=DIR) avoids this' : ''
  return [
    ...(container.length > 0
      ? [`These archives and databases ${still}, because they can't be edited: ${listOf(container)}`]
      : []),
    ...(other.length > 0 ? [`These files ${still}, because the copy's path ${why}: ${listOf(other)}${remedy}`] : []),
  ]
}

function listOf(left: readonly LeftFile[]): string {
  const shown = left
    .toSorted(byPath)
    .slice(0, 5)
    .map(({ path }) => displayPath(path))
  const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : ''
  return `${shown.join(', ')}${more}`
}
