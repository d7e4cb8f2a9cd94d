import { rename, writeFile } from 'node:fs/promises'
import * as v from 'valibot'
import { withPath } from '../platform/errno.ts'
import { readLocal } from '../platform/read-small.ts'

const Kept = v.object({
  /** Milliseconds since 1970; null: until somebody removes the copy. */
  until: v.nullable(v.number()),
})

/** When a copy that nobody uses may be removed; null: only by somebody who says so. */
export type Until = number | null

const fileOf = (stage: string): string => `${stage}/kept.json`

/** Lets a copy that nobody uses stand for the next one. A later end that was noted before stays. */
export async function keep(stage: string, minutes: number | null): Promise<Until> {
  const before = await keptUntil(stage)
  const until = minutes === null || before === null ? null : Math.max(before ?? 0, Date.now() + minutes * 60_000)
  const aside = `${fileOf(stage)}.new`
  try {
    await writeFile(aside, JSON.stringify({ until }), { mode: 0o600 })
    await rename(aside, fileOf(stage))
  } catch (error) {
    throw withPath(error, fileOf(stage))
  }
  return until
}

/** undefined: it was never kept. */
export async function keptUntil(stage: string): Promise<Until | undefined> {
  try {
    return v.parse(Kept, JSON.parse((await readLocal(fileOf(stage), 1000)).toString())).until
  } catch {
    return undefined
  }
}

export const isOver = (until: Until | undefined): boolean =>
  until === undefined || (until !== null && until < Date.now())
