import { join, resolve } from 'node:path'
import { homeOf } from '../platform/home.ts'
import { NotRead, readSmall } from '../platform/read-small.ts'
import type { Mistake } from './parse.ts'
import type { Settings } from './settings.ts'

export interface ConfigFile {
  path: string
  whose: 'user' | 'site'
  /** `silent`: its file server gives no answer. */
  state: 'read' | 'missing' | 'faulty' | 'silent'
  /** Only those that are valid. */
  values: Partial<Settings>
  mistakes: Mistake[]
}

export type Variables = Readonly<Record<string, string | undefined>>

/**
 * Reads the user's configuration file, then the site's. Mistakes are part of the result. The YAML parser is loaded only if
 * there is a file: most sessions have none.
 * @param isImpatient a file whose file server does not answer has no values
 */
export async function readConfigFiles(env: Variables, cwd: string, isImpatient = false): Promise<ConfigFile[]> {
  const site = env.CONDA_STAGE_SITE_CONFIG
  const files: [path: string, whose: ConfigFile['whose'], isNamed: boolean][] = [
    [userFile(env), 'user', false],
    site ? [resolve(cwd, site), 'site', true] : ['/etc/conda-stage/config.yaml', 'site', false],
  ]
  return await Promise.all(files.map((file) => (isImpatient ? readInTime(...file) : readConfigFile(...file))))
}

async function readInTime(path: string, whose: ConfigFile['whose'], isNamed: boolean): Promise<ConfigFile> {
  const { inTime } = await import('../platform/patience.ts')
  return await inTime(readConfigFile(path, whose, isNamed), { of: path }).catch(({ message }: Error) => ({
    path,
    whose,
    state: 'silent' as const,
    values: {},
    mistakes: [{ message }],
  }))
}

/** Follows the XDG base directory specification: a relative path does not count. */
function userFile(env: Variables): string {
  const given = env.XDG_CONFIG_HOME
  return join(given?.startsWith('/') ? given : join(homeOf(env), '.config'), 'conda-stage/config.yaml')
}

/** All settings with explanations take a third of it. Parsing so much takes a second at most, whatever it is. */
const MOST_BYTES = 32 * 1024

async function readConfigFile(path: string, whose: ConfigFile['whose'], isNamed: boolean): Promise<ConfigFile> {
  const content = await contentOf(path, isNamed)
  if (content === undefined) return { path, whose, state: 'missing', values: {}, mistakes: [] }
  return { path, whose, state: content.mistakes.length > 0 ? 'faulty' : 'read', ...content }
}

/** Undefined if there is no such file, and nobody has named it. */
async function contentOf(path: string, isNamed: boolean): Promise<Pick<ConfigFile, 'values' | 'mistakes'> | undefined> {
  try {
    const bytes = await readSmall(path, MOST_BYTES)
    return (await import('./parse.ts')).parseConfig(bytes)
  } catch (error) {
    if (!(error instanceof NotRead)) throw error
    if (error.kind === 'missing' && !isNamed) return undefined
    const message = error.kind === 'missing' ? 'does not exist, but CONDA_STAGE_SITE_CONFIG names it' : error.message
    return { values: {}, mistakes: [{ message }] }
  }
}
