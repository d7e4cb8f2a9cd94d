import type { PathStep } from './steps.ts'

/** The value that a 'path' step gives to this PATH. Only whole leading components match: `/a/env2` isn't in `/a/env`. */
export function swapPath(path: string, { from, keep, to, exact }: Omit<PathStep, 'op' | 'seen'>): string {
  if (path === exact?.when) return exact.becomes
  const swapEntry = (entry: string) => {
    if (keep.some((prefix) => isWithin(entry, prefix))) return entry
    const prefix = from.find((prefix) => isWithin(entry, prefix))
    return prefix === undefined ? entry : to + entry.slice(prefix.length)
  }
  return path.split(':').map(swapEntry).join(':')
}

/**
 * For shells that can't cut strings: the entries to look for, and what each becomes. These are the entries that PATH is
 * known to have and those that nearly every activation adds.
 */
export function swapEntries(step: PathStep): [string, string][] {
  const entries = [...(step.seen?.split(':') ?? []), ...step.from, ...step.from.map((prefix) => `${prefix}/bin`)]
  const { from, keep, to } = step
  return [...new Set(entries)]
    .map((entry): [string, string] => [entry, swapPath(entry, { from, keep, to })])
    .filter(([entry, becomes]) => entry !== becomes)
}

const isWithin = (path: string, prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`)
