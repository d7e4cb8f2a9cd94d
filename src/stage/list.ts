import { readdirSync } from 'node:fs'
import { FOLDER_NAME } from './names.ts'
import { readRecord, type Stage } from './record.ts'

/** The finished stages of a user in a local folder. */
export async function stagesIn(local: string, uid: number): Promise<Stage[]> {
  const stages: Stage[] = []
  for (const name of namesIn(local)) {
    if (!FOLDER_NAME.test(name)) continue
    const folder = `${local}/${name}`
    const record = await readRecord(folder, uid)
    if (record) stages.push({ folder, record })
  }
  return stages
}

function namesIn(local: string): string[] {
  try {
    return readdirSync(local)
  } catch {
    return []
  }
}
