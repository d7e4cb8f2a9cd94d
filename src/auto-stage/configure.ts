import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StageError } from '../errors.ts'
import { isAutoScript, SCRIPT_FOLDERS } from '../model/auto-scripts.ts'
import { errnoOf } from '../platform/errno.ts'
import { type AutoStaging, autoScripts } from './script.ts'

/**
 * Makes conda stage the environment whenever it is activated. We never write anything else into an original.
 * @throws StageError ENVIRONMENT_UNWRITABLE; automatic staging is then disabled
 */
export function enableAutoStaging(prefix: string, staging: AutoStaging, launcher: string): void {
  disableAutoStaging(prefix)
  try {
    for (const { path, text } of autoScripts(staging, launcher)) {
      const file = join(prefix, path)
      mkdirSync(dirname(file), { recursive: true })
      // conda may be activating the environment right now.
      writeFileSync(`${file}.tmp`, text, { mode: 0o644 })
      renameSync(`${file}.tmp`, file)
    }
  } catch (error) {
    const unwritten = unwritable(prefix, error)
    takeAway(prefix)
    throw unwritten
  }
}

/**
 * Removes everything that automatic staging put there, including the scripts of conda-stage 0.7.1.
 * @throws StageError ENVIRONMENT_UNWRITABLE
 */
export function disableAutoStaging(prefix: string): void {
  try {
    takeAway(prefix)
  } catch (error) {
    throw unwritable(prefix, error)
  }
}

function takeAway(prefix: string): void {
  const scripts = scriptsOf(prefix)
  for (const path of scripts) rmSync(join(prefix, path))
  if (scripts.length === 0) return
  // We may have made these folders. Empty ones are of no use to anybody else.
  for (const folder of SCRIPT_FOLDERS.toReversed()) {
    try {
      rmdirSync(join(prefix, folder))
    } catch {
      // It is not empty, or not there.
    }
  }
}

/** Paths below the prefix. */
function scriptsOf(prefix: string): string[] {
  return SCRIPT_FOLDERS.flatMap((folder) => list(join(prefix, folder)).map((name) => `${folder}/${name}`)).filter(
    isAutoScript,
  )
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return []
    throw error
  }
}

export function unwritable(prefix: string, cause: unknown): unknown {
  const errno = errnoOf(cause)
  if (errno === undefined) return cause
  const { path = prefix } = cause as NodeJS.ErrnoException
  return new StageError(
    'ENVIRONMENT_UNWRITABLE',
    `Automatic staging of ${prefix} can't be configured: ${path} (${errno})`,
    {
      path: prefix,
      hint: "Only someone with write access to the environment can configure it. Ask its owner, or call 'conda-stage' after activating it.",
      cause,
    },
  )
}
