import { lstat, readdir } from 'node:fs/promises'
import { FOLDER_NAME } from './names.ts'
import { readRecord, type Stage } from './record.ts'

/** The finished stages of a user in a local folder. */
export async function stagesIn(local: string, uid: number): Promise<Stage[]> {
  const stages: Stage[] = []
  for (const name of await readdir(local).catch(() => [])) {
    if (!FOLDER_NAME.test(name)) continue
    const folder = `${local}/${name}`
    const facts = await lstat(folder).catch(() => undefined)
    if (!facts?.isDirectory() || facts.uid !== uid) continue
    const record = await readRecord(folder)
    if (record) stages.push({ folder, record })
  }
  return stages
}
