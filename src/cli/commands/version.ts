import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { FORMAT_VERSION } from '../../model/archive-index.ts'
import { programVersion } from '../../platform/program.ts'
import { runtime } from '../../platform/runtime.ts'
import type { Context } from '../command.ts'
import { writeData, writeJson } from '../render/messages.ts'
import { shown } from '../render/shown.ts'
import type { Session } from '../session.ts'

export async function versionCommand({ options, session }: Context): Promise<undefined> {
  const versions: Record<string, string> = { 'conda-stage': programVersion() }
  if (options.full) Object.assign(versions, surroundingVersions(session))
  if (options.json) writeJson(versions)
  else if (!options.full) writeData(`${versions['conda-stage']}\n`)
  else for (const [what, which] of Object.entries(versions)) writeData(`${what}: ${shown(which)}\n`)
}

/** Versions of everything that the program runs on. Starts no other program to find out. */
export const surroundingVersions = (session: Session): Record<string, string> => ({
  'archive format': String(FORMAT_VERSION),
  ...runtime(),
  shell: session.shell?.dialect ?? 'none (called without the shell function)',
  conda: condaVersion(session.env.CONDA_EXE),
})

function condaVersion(condaExe: string | undefined): string {
  if (!condaExe) return 'none in this session'
  try {
    const records = readdirSync(`${dirname(dirname(condaExe))}/conda-meta`)
    const version = records.map((name) => /^conda-(\d[^-]*)-[^-]+\.json$/.exec(name)?.[1]).find(Boolean)
    if (version) return `${version} (${condaExe})`
  } catch {
    // Not installed as a conda package. Only starting it would tell the version.
  }
  return `unknown version (${condaExe})`
}
