import { findStage, type Stage, writeRecord } from '../stage/record.ts'

/** Keeps with the stage what its activation replaced in the session, so that unstaging can restore it. */
export async function saveActivation(prefix: string, activation: unknown): Promise<void> {
  const stage = await findStage(prefix)
  if (stage) await writeRecord(stage.folder, { ...stage.record, activation })
}

/** By prefix: the stages among the environments that are active in the session, both the top one and those beneath it. */
export async function stagesOf(env: Readonly<Record<string, string | undefined>>): Promise<Map<string, Stage>> {
  const names = Object.keys(env).filter((name) => /^CONDA_PREFIX(?:_\d+)?$/.test(name))
  const stages = new Map<string, Stage>()
  for (const prefix of new Set(names.map((name) => env[name]!))) {
    const stage = await findStage(prefix)
    if (stage) stages.set(prefix, stage)
  }
  return stages
}
