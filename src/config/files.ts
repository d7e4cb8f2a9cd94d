import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { homeOf } from '../model/home.ts'
import type { Mistake } from './parse.ts'
import type { Settings } from './settings.ts'

export interface ConfigFile {
  path: string
  whose: 'user' | 'site'
  state: 'read' | 'missing' | 'faulty'
  /** Only those that are valid. */
  values: Partial<Settings>
  mistakes: Mistake[]
}

export type Variables = Readonly<Record<string, string | undefined>>

/**
 * Reads the user's configuration file, then the site's. Mistakes are part of the result. The YAML parser is loaded only if
 * there is a file: most sessions have none.
 */
export async function readConfigFiles(env: Variables, cwd: string): Promise<ConfigFile[]> {
  const site = env.CONDA_STAGE_SITE_CONFIG
  return [
    await readConfigFile(userFile(env), 'user', false),
    site
      ? await readConfigFile(resolve(cwd, site), 'site', true)
      : await readConfigFile('/etc/conda-stage/config.yaml', 'site', false),
  ]
}

/** Follows the XDG base directory specification: a relative path does not count. */
function userFile(env: Variables): string {
  const given = env.XDG_CONFIG_HOME
  return join(given?.startsWith('/') ? given : join(homeOf(env), '.config'), 'conda-stage/config.yaml')
}

async function readConfigFile(path: string, whose: ConfigFile['whose'], isNamed: boolean): Promise<ConfigFile> {
  const text = contentOf(path)
  if (text === undefined && !isNamed) return { path, whose, state: 'missing', values: {}, mistakes: [] }
  const { values, mistakes } =
    typeof text === 'string'
      ? (await import('./parse.ts')).parseConfig(text)
      : {
          values: {},
          mistakes: [
            { message: `can't be read: ${text?.message ?? 'CONDA_STAGE_SITE_CONFIG names it, but it does not exist'}` },
          ],
        }
  return { path, whose, state: mistakes.length > 0 ? 'faulty' : 'read', values, mistakes }
}

/** Text of the file, the error that reading it gave, or undefined if there is no such file. */
function contentOf(path: string): string | Error | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : (error as Error)
  }
}
