/** A home folder and a site file for one test, and what --status reports there. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { type RunOptions, run, temporaryFolder, type World } from '../cli/world.ts'

export interface Place {
  root: string
  userFile: string
  siteFile: string
  env: Record<string, string>
}

export function place(context: TestContext, { user, site }: { user?: string; site?: string } = {}): Place {
  const root = temporaryFolder(context)
  const userFile = `${root}/.config/conda-stage/config.yaml`
  const siteFile = `${root}/site.yaml`
  mkdirSync(dirname(userFile), { recursive: true })
  if (user !== undefined) writeFileSync(userFile, user)
  writeFileSync(siteFile, site ?? '')
  return {
    root,
    userFile,
    siteFile,
    env: { HOME: root, PATH: '/usr/bin:/bin', USER: 'me', CONDA_STAGE_SITE_CONFIG: siteFile },
  }
}

interface Status {
  /** Value and origin by key. */
  of(key: string): [unknown, string]
  files: { path: string; whose: string; state: string }[]
  local: { path?: string; source?: string; problem?: string }
  stderr: string
}

export async function statusOf(at: Place, args: string[] = [], options: RunOptions = {}): Promise<Status> {
  const { status, stdout, stderr } = await run(at, ['--status', '--json', ...args], options)
  if (status !== 0) throw new Error(stderr)
  const { settings, files, local } = JSON.parse(stdout)
  return { of: (key) => [settings[key].value, settings[key].from], files, local, stderr }
}

/** Writes the configuration file of a world's user. Gives the options for running the program with it. */
export function configure({ env }: Pick<World, 'env'>, text: string): RunOptions {
  const folder = `${env.HOME}/.config/conda-stage`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/config.yaml`, text)
  return { env: { USER: 'me' } }
}
