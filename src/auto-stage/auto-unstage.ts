import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AUTO_STAGE } from '../model/auto-scripts.ts'
import { unwritable } from './configure.ts'
import { autoScripts } from './script.ts'

/**
 * Changes whether copies of an environment are removed when they are left, and leaves everything else about its automatic
 * staging as it is. Users of conda-stage 0.7.1 know `--auto-unstage` alone.
 * @throws StageError ENVIRONMENT_UNWRITABLE
 */
export function configureAutoUnstaging(prefix: string, enable: boolean, launcher: string): void {
  try {
    for (const { path, text } of autoScripts({ unstage: true }, launcher)) {
      const file = join(prefix, path)
      if (!path.startsWith(AUTO_STAGE)) writeOrRemove(file, enable ? text : undefined)
      else if (existsSync(file)) {
        const wanted = `--auto-unstage=${enable ? 'enable' : 'disable'}`
        writeOrRemove(file, readFileSync(file, 'utf8').replaceAll(/--auto-unstage=(enable|disable)/g, wanted))
      }
    }
  } catch (error) {
    throw unwritable(prefix, error)
  }
}

function writeOrRemove(file: string, text: string | undefined): void {
  if (text === undefined) {
    rmSync(file, { force: true })
    return
  }
  mkdirSync(dirname(file), { recursive: true })
  // conda may be running the scripts right now.
  writeFileSync(`${file}.tmp`, text, { mode: 0o644 })
  renameSync(`${file}.tmp`, file)
}
