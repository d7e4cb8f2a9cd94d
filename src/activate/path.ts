import type { PathStep } from './steps.ts'

/** The value that a 'path' step gives to this PATH. Only whole leading components match: `/a/env2` isn't in `/a/env`. */
export function swapPath(path: string, step: Omit<PathStep, 'op' | 'seen'>): string {
  if (path === step.exact?.when) return step.exact.becomes
  const entries = path.split(':').flatMap((entry) => swapEntry(entry, step) ?? [])
  const { first } = step
  return (first === undefined || entries.includes(first) ? entries : [first, ...entries]).join(':')
}

/** undefined: the entry goes. */
function swapEntry(entry: string, { entries = [], from, keep, to }: Omit<PathStep, 'op' | 'seen'>): string | undefined {
  const special = entries.find(([whole]) => whole === entry)
  if (special) return special[1] ?? undefined
  if (keep.some((prefix) => isWithin(entry, prefix))) return entry
  const prefix = from.find((prefix) => isWithin(entry, prefix))
  return prefix === undefined ? entry : to + entry.slice(prefix.length)
}

/**
 * For shells that can't cut strings: the entries to look for, and what each becomes (undefined: it goes). These are the
 * entries that PATH is known to have and those that nearly every activation adds.
 */
export function swapEntries(step: PathStep): [string, string | undefined][] {
  const { entries = [], from, seen } = step
  const known = [
    ...entries.map(([whole]) => whole),
    ...(seen?.split(':') ?? []),
    ...from,
    ...from.map((prefix) => `${prefix}/bin`),
  ]
  return [...new Set(known)]
    .map((entry): [string, string | undefined] => [entry, swapEntry(entry, step)])
    .filter(([entry, becomes]) => entry !== becomes)
}

export const isWithin = (path: string, prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`)
