import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StageError } from '../errors.ts'
import { isAutoScript, SCRIPT_FOLDERS } from '../model/auto-scripts.ts'
import { type AutoStaging, autoScripts } from './script.ts'

/**
 * Makes conda stage the environment whenever it is activated: the one thing that we ever write into an original.
 * @throws StageError ENVIRONMENT_UNWRITABLE; then all is as with automatic staging disabled
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
 * Takes away whatever automatic staging has put there, conda-stage 0.7.1's too.
 * @throws StageError ENVIRONMENT_UNWRITABLE
 */
export function disableAutoStaging(prefix: string): void {
  try {
    takeAway(prefix)
  } catch (error) {
    throw unwritable(prefix, error)
  }
}

export const hasAutoStaging = (prefix: string): boolean => scriptsOf(prefix).length > 0

function takeAway(prefix: string): void {
  const scripts = scriptsOf(prefix)
  for (const path of scripts) rmSync(join(prefix, path))
  if (scripts.length === 0) return
  // Those that we may have made. An empty one is of no use to anybody else.
  for (const folder of SCRIPT_FOLDERS.toReversed()) {
    try {
      rmdirSync(join(prefix, folder))
    } catch {
      // Not empty, or not there.
    }
  }
}

/** Below the prefix. */
function scriptsOf(prefix: string): string[] {
  return SCRIPT_FOLDERS.flatMap((folder) => list(join(prefix, folder)).map((name) => `${folder}/${name}`)).filter(
    isAutoScript,
  )
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

export function unwritable(prefix: string, cause: unknown): unknown {
  const { code, path } = cause as NodeJS.ErrnoException
  if (code === undefined) return cause
  return new StageError(
    'ENVIRONMENT_UNWRITABLE',
    `Automatic staging of ${prefix} can't be configured: ${path} (${code})`,
    {
      path: prefix,
      hint: "Only who may write to an environment can configure it. Ask its owner, or call 'conda-stage' after activating it.",
      cause,
    },
  )
}
