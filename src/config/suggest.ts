/** The word that was probably meant. At most two letters, or a third of them, may be wrong, missing, extra or swapped. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const [best] = words
    .map((other) => ({ other, distance: distance(word.toLowerCase().replaceAll('_', '-'), other) }))
    .filter(({ other, distance }) => distance <= Math.max(2, Math.floor(other.length / 3)) && distance < other.length)
    .sort((a, b) => a.distance - b.distance)
  return best?.other
}

/** Edits from `a` to `b`: the Damerau-Levenshtein distance that edits no part twice. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  for (let j = 1; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      rows[i]![j] = Math.min(
        rows[i - 1]![j]! + 1,
        rows[i]![j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY,
      )
    }
  }
  return rows[a.length]![b.length]!
}
