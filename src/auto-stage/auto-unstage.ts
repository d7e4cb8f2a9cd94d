import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StageError } from '../errors.ts'
import { AUTO_STAGE } from '../model/auto-scripts.ts'
import { NotRead, readSmall } from '../platform/read-small.ts'
import { unwritable } from './configure.ts'
import { autoScripts } from './script.ts'

/**
 * Changes whether copies of an environment are removed when they are left, and leaves everything else about its automatic
 * staging as it is. Users of conda-stage 0.7.1 know `--auto-unstage` alone.
 * @throws StageError ENVIRONMENT_UNWRITABLE
 */
export async function configureAutoUnstaging(prefix: string, enable: boolean, launcher: string): Promise<void> {
  try {
    for (const { path, text } of autoScripts({ unstage: true }, launcher)) {
      const file = join(prefix, path)
      if (!path.startsWith(AUTO_STAGE)) writeOrRemove(file, enable ? text : undefined)
      else {
        const script = await contentOf(file)
        const wanted = `--auto-unstage=${enable ? 'enable' : 'disable'}`
        if (script !== undefined) writeOrRemove(file, script.replaceAll(/--auto-unstage=(enable|disable)/g, wanted))
      }
    }
  } catch (error) {
    throw unwritable(prefix, error)
  }
}

/** Our script has 2 kB, and a prologue may be long. */
const MOST_BYTES = 1024 * 1024

/** Undefined if there is no such script. */
async function contentOf(file: string): Promise<string | undefined> {
  return await readSmall(file, MOST_BYTES).then(String, (error: unknown) => {
    if (!(error instanceof NotRead)) throw error
    if (error.kind === 'missing') return undefined
    throw new StageError(
      'ENVIRONMENT_UNWRITABLE',
      `Automatic unstaging can't be configured: ${file} ${error.message}`,
      {
        path: file,
        hint: 'Repair or remove it, then enable automatic staging again.',
        cause: error,
      },
    )
  })
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
