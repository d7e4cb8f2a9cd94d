import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { isOurs, readHead, readIdentity } from '../archive/reader.ts'
import { openTrusted, ownerOfNamed } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { pixiName } from '../environment/pixi.ts'
import { StageError } from '../errors.ts'
import { activePrefix } from '../model/active.ts'
import { kindIn } from '../model/kind.ts'
import { describeUser } from '../platform/accounts.ts'
import { closeRead } from '../platform/close.ts'
import { realpath } from '../platform/remote-fs.ts'
import { convertForeign } from './convert-foreign.ts'
import type { StageOptions } from './options.ts'
import type { Filled } from './original.ts'

/** An archive whose original is not looked at. */
export interface AloneArchive {
  /** Of ours. */
  archive: string
  /** It was made of the one that is named, and can be made again. */
  isConverted?: true
  /** As the archive says that it was. Its owner is the archive's. */
  environment: Environment
  /** When it was written (ISO 8601). */
  created: string
  /** See AloneFacts. */
  alone: string
}

type Options = Filled<StageOptions>

/**
 * The archive that --archive names; or what it was converted into, if it is one of conda-pack's or an image.
 * @param more `onlyLook`: an image is not converted
 * @throws StageError NO_ARCHIVE, ARCHIVE_UNTRUSTED, ARCHIVE_FOREIGN, ARCHIVE_VERSION, ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE
 */
export async function openAlone(options: Options, { onlyLook = false } = {}): Promise<AloneArchive> {
  const named = resolve(options.cwd, options.archive!)
  const ownerUid = await ownerOfNamed(named, options.uid)
  const handle = await openTrusted(named, [options.uid, ownerUid])
  try {
    if (ownerUid !== options.uid && ownerUid !== 0) {
      const message = `${named} belongs to ${await describeUser(ownerUid)}, whose programs run as you from its copy`
      options.onProgress({ kind: 'info', message })
    }
    if (!(await isOurs(named))) return await converted(named, handle, options)
    const found = await aloneFrom(named, handle, ownerUid, options)
    return onlyLook ? found : await asArchive(found, handle, options)
  } finally {
    await closeRead(handle)
  }
}

/** The same as one that can be extracted. */
async function asArchive(found: AloneArchive, handle: FileHandle, options: Options): Promise<AloneArchive> {
  const { format, relocated } = await readHead(found.archive, handle)
  if (format !== 'sqfs') return found
  if (relocated !== undefined) throw forMounting(found.archive, relocated.prefix)
  const { convertImage } = await import('./convert-image.ts')
  const archive = await convertImage({ path: found.archive, handle }, found.environment, options)
  const ours = await openTrusted(archive, [options.uid])
  try {
    return { ...found, archive, isConverted: true, alone: await readIdentity(archive, ours) }
  } finally {
    await closeRead(ours)
  }
}

async function aloneFrom(
  archive: string,
  handle: FileHandle,
  ownerUid: number,
  { env }: Options,
): Promise<AloneArchive> {
  const { prefixes, created, watched, name } = await readHead(archive, handle)
  const [given, real = given] = prefixes as [string, string?]
  if (!isPrefix(given) || !isPrefix(real)) throw forElsewhere(archive)
  const prefix = (await activeAmong(prefixes, env)) ?? given
  const named = prefix === given ? name : basename(prefix)
  const kind = kindIn(watched)
  const isPixi = kind === 'conda' && (await pixiName({ prefix, real }, env)) !== undefined
  const environment = { kind: isPixi ? 'pixi' : kind, prefix, real, name: named, isBase: false, ownerUid } as const
  return { archive, environment, created, alone: await readIdentity(archive, handle) }
}

/** The active environment, by the name that the session has for it, if it is this archive's. */
async function activeAmong(prefixes: readonly string[], env: Options['env']): Promise<string | undefined> {
  const active = activePrefix(env)
  if (!active) return undefined
  const prefix = resolve('/', active)
  const isIt = prefixes.includes(prefix) || prefixes.includes(await realpath(prefix).catch(() => ''))
  return isIt ? prefix : undefined
}

/** conda-pack does not say where the environment was: its place counts as beside the archive, under the archive's name. */
async function converted(path: string, handle: FileHandle, options: Options): Promise<AloneArchive> {
  const prefix = join(dirname(path), basename(path).replace(/\.(?:tar(?:\.\w+)?|t[gx]z|tbz2|tzst|zip)$/i, ''))
  const name = basename(prefix)
  const environment = { kind: 'conda' as const, prefix, real: prefix, name, isBase: false, ownerUid: options.uid }
  const archive = await convertForeign({ path, handle }, environment, options)
  const ours = await openTrusted(archive, [options.uid])
  try {
    return { ...(await aloneFrom(archive, ours, options.uid, options)), isConverted: true }
  } finally {
    await closeRead(ours)
  }
}

const isPrefix = (text: string): boolean => text.length > 1 && resolve('/', text) === text

const forMounting = (path: string, at: string): StageError =>
  new StageError('ARCHIVE_FOREIGN', `${path} can't be staged: --mount has made it, for ${at} alone`, {
    path,
    hint: "Name an archive or an image that '--pack' has written.",
  })

const forElsewhere = (path: string): StageError =>
  new StageError('ARCHIVE_FOREIGN', `${path} can't be staged: it was made for another place (--dest-prefix)`, {
    path,
    hint: 'Name an archive that was packed without --dest-prefix.',
  })
