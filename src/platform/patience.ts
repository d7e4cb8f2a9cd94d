import { StageError } from '../errors.ts'
import { mountOf, parseMountInfo, readMountInfo } from './mounts.ts'
import { awaitedFor } from './waiting.ts'

/** Milliseconds. A file server that is alive answers sooner, whatever it is doing. */
export const PATIENCE_MS = 3000

interface Patience {
  ms?: number | undefined
  /** The path that is asked for; by default those that anybody waits for. */
  of?: string
}

/**
 * Waits no longer than that for something that asks file systems. Whatever hangs goes on hanging, in a thread of its own.
 * @throws StageError NO_ANSWER, which names what does not answer
 */
export async function inTime<T>(work: Promise<T>, { ms = PATIENCE_MS, of }: Patience = {}): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(of === undefined ? awaitedFor(ms / 2) : [of], ms)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Names file systems: whoever mends them thinks in those. */
function noAnswer(paths: readonly string[], ms: number): StageError {
  const mounts = parseMountInfo(readMountInfo())
  const names = new Set<string>()
  for (const path of paths) {
    // Without resolving links: that would wait, too.
    const { mountPoint, fsType } = mountOf(path, mounts) ?? { mountPoint: path, fsType: 'unknown' }
    names.add(`${mountPoint} (${fsType})`)
  }
  const named = [...names].join(' and ') || 'a file system'
  return new StageError('NO_ANSWER', `no answer from ${named} within ${ms / 1000} seconds`, {
    ...(paths[0] !== undefined && { path: paths[0] }),
    hint: 'Ask whoever runs that file system, and keep away from its paths until it answers.',
  })
}
