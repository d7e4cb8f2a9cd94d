import { type BytePath, displayPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'

/** What one look-up says; an Entry is one too. Sizes and targets are compared if both sides know them. */
export interface Seen {
  type: Entry['type']
  mode: number
  mtimeNs: bigint
  size?: number
  target?: BytePath
}

export interface Difference {
  path: BytePath
  /** touched: a folder has another mtime. Something in it came or went, which may not matter. */
  kind: 'added' | 'removed' | 'changed' | 'mode' | 'touched'
}

/** How a path differs from what the archive holds. Undefined if it does not. */
export function difference(path: BytePath, was: Seen | undefined, now: Seen | undefined): Difference | undefined {
  const kind = kindOf(was, now)
  return kind === undefined ? undefined : { path, kind }
}

function kindOf(was: Seen | undefined, now: Seen | undefined): Difference['kind'] | undefined {
  if (was === undefined) return now === undefined ? undefined : 'added'
  if (now === undefined) return 'removed'
  if (plainType(was) !== plainType(now)) return 'changed'
  if (was.type === 'directory') return was.mode === now.mode ? touched(was, now) : 'mode'
  if (was.mtimeNs !== now.mtimeNs || differs(was.size, now.size) || differs(was.target, now.target)) return 'changed'
  return was.type !== 'symlink' && was.mode !== now.mode ? 'mode' : undefined
}

const touched = (was: Seen, now: Seen): 'touched' | undefined => (was.mtimeNs === now.mtimeNs ? undefined : 'touched')

/** One look-up does not show that a file has a second name in the environment. */
const plainType = ({ type }: Seen): Seen['type'] => (type === 'hardlink' ? 'file' : type)

const differs = <T>(was: T | undefined, now: T | undefined): boolean =>
  was !== undefined && now !== undefined && was !== now

/**
 * Whether this is byte code that Python writes when a program runs: anything in `__pycache__`, or (Python 2) a `.pyc` or `.pyo`
 * beside its source. A `.pyc` without a source is a module like any other.
 */
export function isByteCode(path: BytePath, isThere: (path: BytePath) => boolean): boolean {
  return /(?:^|\/)__pycache__(?:\/|$)/.test(path) || (/\.py[co]$/.test(path) && isThere(path.slice(0, -1)))
}

const SPECIAL: Record<BytePath, string> = {
  'conda-meta/history': 'conda-meta/history has changed (packages were installed or removed)',
  'conda-meta/state': 'environment variables were changed (conda-meta/state)',
}

const VERB: Record<Difference['kind'], string> = {
  added: 'was added',
  removed: 'was removed',
  changed: 'has changed',
  mode: 'has other permissions',
  touched: 'has changed',
}

/** For people. */
export const explain = ({ path, kind }: Difference): string =>
  SPECIAL[path] ?? `${path === '' ? "the environment's folder" : displayPath(path)} ${VERB[kind]}`
