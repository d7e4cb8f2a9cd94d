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

/** Which of these folders has the latest time, in milliseconds since 1970. If there is none, that is the prefix at the beginning of time. */
export async function latestOf(prefix: string, folders: readonly string[]): Promise<{ folder: string; time: number }> {
  const times = await Promise.all(
    folders.map(async (folder) => ({ folder, time: (await timeOf(`${prefix}/${folder}`)) ?? 0 })),
  )
  return times.reduce((latest, each) => (each.time > latest.time ? each : latest), { folder: '', time: 0 })
}

const timeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
