import type { FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isOurs, readHead } from '../archive/reader.ts'
import { writeArchive } from '../archive/writer.ts'
import { archiveFolders, openTrusted, publishArchive } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { withSiblings } from '../environment/siblings.ts'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath } from '../model/byte-path.ts'
import { shortHash } from '../model/digest.ts'
import { cutName } from '../model/file-names.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { lstat, readdir, unlink } from '../platform/remote-fs.ts'
import { type Damaged, identityOf, isDamage } from './archive-choice.ts'
import { archiveHeader } from './archive-header.ts'
import { changedSince, foreignReader, isMissing } from './foreign-archive.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { timedInfo } from './timing.ts'

/**
 * If --output names an archive that conda-pack made: the archive of ours that it is converted into, once, in the user's
 * cache folder. Undefined if --output names no file, or one of ours.
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_DAMAGED, ARCHIVE_UNTRUSTED, and what writing an archive throws
 */
export async function convertedArchive(
  environment: Environment,
  options: Filled<PackOptions>,
  damaged?: Damaged,
): Promise<string | undefined> {
  const { output, cwd } = options
  if (output === undefined) return undefined
  const path = resolve(cwd, output)
  if ((await isMissing(path)) || (await isOurs(path))) return undefined
  const handle = await openTrusted(path, [options.uid, environment.ownerUid])
  try {
    await reportAge(path, (await handle.stat({ bigint: true })).mtimeNs, environment, options)
    const target = await convertForeign({ path, handle }, environment, { ...options, damaged })
    await assertSamePackages(path, target, environment)
    return target
  } finally {
    await closeRead(handle)
  }
}

/**
 * The archive of ours that one of conda-pack's is converted into, once, in the user's cache folder.
 * @param environment whose prefix its files get
 */
export async function convertForeign(
  { path, handle }: Pick<Source, 'path' | 'handle'>,
  environment: Environment,
  options: Filled<PackOptions> & { damaged?: Damaged | undefined },
): Promise<string> {
  const { size, mtimeNs } = await handle.stat({ bigint: true })
  const folder = archiveFolders(options).at(-1)!
  await makeFolders(folder, 0o700)
  const start = `${cutName(environment.name, 200)}-${shortHash(environment.real)}-conda-pack-`
  const target = join(folder, `${start}${shortHash(`${path} ${size} ${mtimeNs}`)}.tar.zst`)
  await convertUnlessDone({ path, handle, mtimeNs, target }, environment, options)
  await removeEarlier(folder, start, target)
  return target
}

/** Dates are all there is to go by: such an archive does not record the state of the environment. */
async function reportAge(
  path: string,
  mtimeNs: bigint,
  environment: Environment,
  { onProgress }: Filled<PackOptions>,
): Promise<void> {
  const changed = await changedSince(environment, mtimeNs)
  const made = `${path} was made by conda-pack (${new Date(Number(mtimeNs / 1_000_000n)).toISOString()})`
  if (changed === undefined) {
    const message = `${made}; conda has changed nothing since. Other changes can't be detected`
    onProgress({ kind: 'info', message })
  } else {
    const message = `${made}, but ${changed} is newer: the copy will be the environment as it was then`
    onProgress({ kind: 'warning', message })
  }
}

/** @throws StageError ARCHIVE_OTHER_ENVIRONMENT if conda's records in the archive are not those of the environment */
async function assertSamePackages(path: string, converted: string, { prefix }: Environment): Promise<void> {
  const { watched } = await readHead(converted)
  const record = /^conda-meta\/([^/]+\.json)$/
  const there = new Set(watched.flatMap((entry) => record.exec(entry.path)?.[1] ?? []))
  const here = new Set((await readdir(`${prefix}/conda-meta`)).filter((name) => name.endsWith('.json')))
  const differing = [...here, ...there].filter((name) => !here.has(name) || !there.has(name)).sort()
  if (differing.length === 0) return
  const more = differing.length === 1 ? '' : ` and ${differing.length - 1} more`
  throw new StageError(
    'ARCHIVE_OTHER_ENVIRONMENT',
    `${path} holds other packages than ${prefix} (${differing[0]!.slice(0, -'.json'.length)}${more})`,
    { path, hint: 'Make it again with conda-pack, or leave out --output to let conda-stage pack the environment.' },
  )
}

/** Removes what earlier archives of the same environment were converted into. */
async function removeEarlier(folder: string, start: string, current: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name)
    if (name.startsWith(start) && file !== current && (await isOurs(file))) await unlink(file).catch(() => {})
  }
}

interface Source {
  path: string
  handle: FileHandle
  mtimeNs: bigint
  target: string
}

async function convertUnlessDone(
  source: Source,
  environment: Environment,
  options: Filled<PackOptions> & { damaged?: Damaged | undefined },
): Promise<void> {
  const { target } = source
  const { signal, force, damaged, onProgress } = options
  await publishArchive<true>({
    path: target,
    ...(signal && { signal }),
    already: async () => (!force && (await isSound(target, damaged, options)) ? true : undefined),
    write: async (temporary) => {
      await timedInfo(onProgress, { message: 'Unpacking', what: "'conda-unpack'" }, () =>
        convert(source, temporary, environment, options),
      )
      return true
    },
  })
}

/** Whether the file was converted before and can be used. Warns if it is damaged. */
async function isSound(
  target: string,
  damaged: Damaged | undefined,
  { onProgress }: Filled<PackOptions>,
): Promise<boolean> {
  if (!(await isOurs(target))) return false
  try {
    if (damaged?.identity === identityOf(await lstat(target, { bigint: true }))) throw damaged.error
    await readHead(target)
    return true
  } catch (error) {
    if (!isDamage(error)) throw error
    onProgress({ kind: 'warning', message: `${error.message}. Converting the archive of conda-pack again` })
    return false
  }
}

async function convert(
  { path, handle, mtimeNs }: Source,
  to: string,
  environment: Environment,
  { onProgress, signal, threads = defaultThreads() }: Filled<PackOptions>,
): Promise<void> {
  const header = archiveHeader(await withSiblings(environment))
  const { condaPackItems, openCondaPack } = await foreignReader()
  const archive = await openCondaPack(path, handle)
  const onNoRoom = (file: BytePath) => {
    const message = `${displayPath(file)} has no room for ${header.prefixes[0]} and keeps conda's placeholder`
    onProgress({ kind: 'warning', message })
  }
  const items = condaPackItems(archive, handle, { ...header, mtimeNs, beside: to, onNoRoom })
  await writeArchive({ path: to, format: 'tar.zst', level: 1, threads, header, items, ...(signal && { signal }) })
}
