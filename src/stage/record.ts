import { lstatSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import * as v from 'valibot'
import { FORMS } from '../model/form.ts'
import { ENVIRONMENT_KINDS } from '../model/kind.ts'
import { Identity } from '../platform/identity-schema.ts'
import { readLocal } from '../platform/read-small.ts'
import { surroundings } from '../platform/surroundings.ts'
import { FOLDER_NAME, MARKER } from './names.ts'

const Owner = v.object({ owner: Identity })

const Record = v.object({
  version: v.literal(1),
  /** Missing of conda's. */
  kind: v.optional(v.picklist(ENVIRONMENT_KINDS)),
  /** The original prefix, as it was given. */
  original: v.string(),
  /** The same with symbolic links resolved. Without it, the stage is not shared. */
  real: v.optional(v.string()),
  /** Whether only whoever had it made uses it. */
  isPrivate: v.optional(v.boolean()),
  /** Of the archive's index, if the copy is of the archive alone: the original was not looked at, and may be gone. */
  alone: v.optional(v.string()),
  /** Of a virtual environment whose base is staged, too: that one and its copy. */
  base: v.optional(v.object({ original: v.string(), real: v.string(), prefix: v.string() })),
  /** The staged prefix. */
  prefix: v.string(),
  /** Missing in a tree. */
  form: v.optional(v.picklist(FORMS)),
  /** Only of a mount: who serves it, the image, and what ends the server, see `lifeOf`. */
  mount: v.optional(v.object({ server: Identity, image: v.string(), life: v.string() })),
  /** The archive that it was made from, without a path if that could not be written; and when it was written (ISO 8601). */
  archive: v.object({ path: v.optional(v.string()), created: v.string() }),
  /** ISO 8601. */
  created: v.string(),
  /** The process that made it. */
  owner: Identity,
  readOnly: v.boolean(),
  /** The number of files, and their bytes. */
  files: v.optional(v.number()),
  bytes: v.optional(v.number()),
  /** What it had in common with other copies when it was made: files that take up no room of their own, and their bytes. */
  shared: v.optional(v.object({ files: v.number(), bytes: v.number() })),
  /** For files that were relocated at another length, by path (BytePath): the first 16 bytes of the SHA-256, in hex. */
  digests: v.record(v.string(), v.string()),
})

/** The contents of a stage's marker file. A folder without that file is no stage. */
export type StageRecord = v.InferOutput<typeof Record>
export type StageOwner = v.InferOutput<typeof Owner>

export interface Stage {
  /** `LOCAL/conda-stage_TOKEN`. */
  folder: string
  record: StageRecord
}

/** The stage with this staged prefix; undefined if there is none or it is incomplete. */
export async function findStage(prefix: string): Promise<Stage | undefined> {
  const folder = folderOf(prefix)
  if (folder === undefined) return undefined
  const record = await readRecord(folder)
  return record?.prefix === prefix ? { folder, record } : undefined
}

/** The nearest parent folder that has the name of a stage. */
export function folderOf(prefix: string): string | undefined {
  for (let folder = dirname(prefix); folder !== dirname(folder); folder = dirname(folder))
    if (FOLDER_NAME.test(basename(folder))) return folder
  return undefined
}

/** Undefined if the marker is missing or makes no sense, or if the folder or the marker is not ours alone. */
export async function readRecord(folder: string, uid = surroundings().uid): Promise<StageRecord | undefined> {
  if (!isOurs(folder, uid) || !isOurs(`${folder}/${MARKER}`, uid)) return undefined
  const json = await readJson(`${folder}/${MARKER}`)
  const parsed = v.safeParse(Record, json)
  return parsed.success ? parsed.output : undefined
}

/** Writes aside and renames, so that a marker is complete or absent. This is the last step of making a stage. */
export async function writeRecord(folder: string, record: StageRecord): Promise<void> {
  const aside = `${folder}/${MARKER}.new`
  await writeJson(aside, record)
  await rename(aside, `${folder}/${MARKER}`)
}

export const writeOwner = (file: string, owner: StageOwner): Promise<void> => writeJson(file, owner)

export async function readOwner(file: string): Promise<StageOwner | undefined> {
  const parsed = v.safeParse(Owner, await readJson(file))
  return parsed.success ? parsed.output : undefined
}

async function writeJson(file: string, value: unknown): Promise<void> {
  const handle = await open(file, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify(value))
  } finally {
    await handle.close()
  }
}

/** A record has 100 bytes for each file that was relocated at another length. */
const MOST_BYTES = 64 * 1024 * 1024

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(String(await readLocal(file, MOST_BYTES)))
  } catch {
    return undefined
  }
}

/** Whoever else could write there could have us run or remove what they like. */
function isOurs(path: string, uid: number): boolean {
  try {
    const facts = lstatSync(path, { throwIfNoEntry: false })
    const isOfItsKind = path.endsWith(`/${MARKER}`) ? facts?.isFile() : facts?.isDirectory()
    return isOfItsKind === true && facts?.uid === uid && (facts.mode & 0o022) === 0
  } catch {
    return false
  }
}
