import { stat } from './remote-fs.ts'

/** The group that something new in a folder gets: the folder's if that has the setgid bit, else this process's. */
export async function groupOfNew(folder: string): Promise<number> {
  const { mode, gid } = await stat(folder)
  return (mode & 0o2000) !== 0 ? gid : (process.getegid?.() ?? gid)
}
