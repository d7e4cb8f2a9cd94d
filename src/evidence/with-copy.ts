import { resolve } from 'node:path'
import { activePrefix } from '../model/active.ts'
import type { StageOptions } from '../pipeline/options.ts'
import { originalOf } from '../pipeline/original.ts'
import { wordsInto } from '../pipeline/words-into.ts'
import { stage, unstage } from '../pipeline.ts'
import { monotonicMs } from '../platform/clock.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { findStage } from '../stage/record.ts'

/** A copy that is there while something is measured. */
export interface Copy {
  original: string
  prefix: string
  files: number
  bytes: number
  /** What making or joining it took; undefined if it was active already. */
  seconds?: number
  /** The words by which a command starts in an environment. */
  into(prefix: string): Promise<string[]>
}

export interface EvidenceOptions extends StageOptions {
  command: readonly string[]
  /** `bin/conda-stage`. */
  launcher: string
  env: NonNullable<StageOptions['env']>
  cwd: string
  /** Called with the original, and with the words by which a command starts in it, before anything is staged. */
  beforeStaging?(original: string, into: readonly string[]): Promise<void>
}

/**
 * Does something with a copy: the one that is active, else one that is staged for it and given back afterwards.
 * @throws StageError as `stage`
 */
export async function withCopy<T>(options: EvidenceOptions, body: (copy: Copy) => Promise<T>): Promise<T> {
  const { env, cwd, launcher, onProgress = () => {} } = options
  const warn = (message: string) => onProgress({ kind: 'warning', message })
  const asked = options.prefix ?? activePrefix(env)
  const active = asked ? await findStage(resolve(cwd, asked)) : undefined
  const into = (own: string) => (prefix: string) =>
    wordsInto({ prefix, isCopy: prefix === own }, { env, launcher, warn })
  if (active) {
    const { original, prefix, files = 0, bytes = 0 } = active.record
    await options.beforeStaging?.(original, await into(prefix)(original))
    return await body({ original, prefix, files, bytes, into: into(prefix) })
  }
  const { prefix: meant } = await originalOf(options)
  await options.beforeStaging?.(meant, await into('')(meant))
  const started = monotonicMs()
  const caller = { env, session: ownIdentity().pid }
  const copy = await stage({ ...options, prefix: meant, writable: false, caller })
  const seconds = (monotonicMs() - started) / 1000
  const { original, prefix, files, bytes, lease } = copy
  onProgress({ kind: 'command' })
  try {
    return await body({ original, prefix, files, bytes, seconds, into: into(prefix) })
  } finally {
    await unstage({ prefix, lease, env, cwd, onProgress })
  }
}
