import { readdir, stat } from '../platform/remote-fs.ts'

/** Where packages of an environment come and go: each installation changes the time of one of these folders, below the prefix. */
export async function packageFolders(prefix: string): Promise<string[]> {
  const names = await readdir(`${prefix}/lib`).catch(() => [])
  const pythons = names.filter((name) => /^python\d/.test(name)).map((name) => `lib/${name}/site-packages`)
  const times = await Promise.all(
    ['conda-meta', ...pythons, 'lib/R/library', 'lib/node_modules'].map(async (folder) => ({
      folder,
      time: await timeOf(`${prefix}/${folder}`),
    })),
  )
  return times.flatMap(({ folder, time }) => (time === undefined ? [] : [folder]))
}

/** The latest time of these folders, in milliseconds since 1970. */
export async function latestOf(prefix: string, folders: readonly string[]): Promise<number> {
  const times = await Promise.all(folders.map((folder) => timeOf(`${prefix}/${folder}`)))
  return Math.max(0, ...times.filter((time) => time !== undefined))
}

const timeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
