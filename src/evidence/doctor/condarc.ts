import { valuesIn } from '../../config/yaml.ts'
import { readSmall } from '../../platform/read-small.ts'
import { readdir } from '../../platform/remote-fs.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** Where a setting of conda's has its value from. */
export interface CondaSetting {
  value: unknown
  /** A file, or a variable. */
  source: string
  isVariable: boolean
  /** The user's own ~/.condarc does not count against it. */
  isFinal: boolean
}

/**
 * The value that new shells have for a setting of conda's: the last file counts, and a variable before all files. Without the
 * active environment's files, because a new shell has none. conda/base/constants.py (26.9): `SEARCH_PATH`; of folders, the
 * files that end in .yml or .yaml.
 * @param names the setting, and others that it has had
 */
export async function condaSetting(
  names: readonly string[],
  { env, home, root }: { env: Variables; home: string; root: string },
): Promise<CondaSetting | undefined> {
  for (const name of names) {
    const variable = `CONDA_${name.toUpperCase()}`
    if (env[variable]) return { value: env[variable], source: variable, isVariable: true, isFinal: true }
  }
  let last: CondaSetting | undefined
  for (const source of await filesOf({ env, home, root })) {
    const text = await readSmall(source, MOST_BYTES).catch(() => Buffer.alloc(0))
    const values = valuesIn(text)
    const name = names.find((each) => values[each] !== undefined)
    if (name === undefined) continue
    const isFinal = new RegExp(`^${name}:.*#!\\s*final`, 'm').test(String(text))
    last = { value: values[name], source, isVariable: false, isFinal: isFinal || source === env.CONDARC }
    if (isFinal) break
  }
  return last
}

const MOST_BYTES = 256 * 1024

async function filesOf({ env, home, root }: { env: Variables; home: string; root: string }): Promise<string[]> {
  const xdg = env.XDG_CONFIG_HOME
  const folders = [
    '/etc/conda',
    '/var/lib/conda',
    root,
    ...(xdg ? [`${xdg}/conda`] : []),
    `${home}/.config/conda`,
    `${home}/.conda`,
  ]
  const files = await Promise.all(
    folders.map(async (folder) => [
      `${folder}/.condarc`,
      `${folder}/condarc`,
      ...(await inFolder(`${folder}/condarc.d`)),
    ]),
  )
  return [...files.flat(), `${home}/.condarc`, ...(env.CONDARC ? [env.CONDARC] : [])]
}

async function inFolder(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => `${folder}/${name}`)
}
