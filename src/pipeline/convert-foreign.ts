import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, readdir, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isOurs, readHead } from '../archive/reader.ts'
import { writeArchive } from '../archive/writer.ts'
import { archiveFolders, openTrusted, publishArchive } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { withSiblings } from '../environment/siblings.ts'
import { StageError } from '../errors.ts'
import { displayPath } from '../model/byte-path.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { archiveHeader } from './archive-header.ts'
import { changedSince, foreignReader, isNothing } from './foreign-archive.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/**
 * Where --output names an archive that conda-pack made: the archive of ours that it is turned into, once, in the user's
 * cache folder. Undefined where it names none, or one of ours.
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_DAMAGED, ARCHIVE_UNTRUSTED, and what writing an archive throws
 */
export async function convertedArchive(
  environment: Environment,
  options: Filled<PackOptions>,
): Promise<string | undefined> {
  const { output, cwd } = options
  if (output === undefined) return undefined
  const path = resolve(cwd, output)
  if ((await isNothing(path)) || (await isOurs(path))) return undefined
  const handle = await openTrusted(path, [options.uid, environment.ownerUid])
  try {
    const { size, mtimeNs, mtime } = await handle.stat({ bigint: true })
    await tellAge(path, { mtimeNs, mtime }, environment, options)
    const folder = archiveFolders(options).at(-1)!
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const start = `${environment.name}-${hashOf(environment.real)}-conda-pack-`
    const target = join(folder, `${start}${hashOf(`${path} ${size} ${mtimeNs}`)}.tar.zst`)
    await convert({ path, handle, mtimeNs, target, environment, options })
    await assertSamePackages(path, target, environment)
    for (const name of await readdir(folder))
      if (name.startsWith(start) && join(folder, name) !== target && (await isOurs(join(folder, name))))
        await unlink(join(folder, name)).catch(() => {})
    return target
  } finally {
    await handle.close()
  }
}

/** Nothing in such an archive tells what the environment was like, so that dates are all there is. */
async function tellAge(
  path: string,
  { mtimeNs, mtime }: { mtimeNs: bigint; mtime: Date },
  environment: Environment,
  { onProgress }: Filled<PackOptions>,
): Promise<void> {
  const changed = await changedSince(environment, mtimeNs)
  const made = `${path} was made by conda-pack (${mtime.toISOString()})`
  if (changed === undefined) {
    const message = `${made}; conda has changed nothing since, and other changes can't be told`
    onProgress({ kind: 'info', message })
  } else {
    const message = `${made}, and ${changed} is newer: the copy will be what the environment was then`
    onProgress({ kind: 'warning', message })
  }
}

/** @throws StageError ARCHIVE_OTHER_ENVIRONMENT where conda's records are not those of the environment */
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
    { path, hint: 'Make it anew with conda-pack, or leave out --output to have conda-stage pack the environment.' },
  )
}

interface Conversion {
  path: string
  handle: FileHandle
  mtimeNs: bigint
  target: string
  environment: Environment
  options: Filled<PackOptions>
}

async function convert({ path, handle, mtimeNs, target, environment, options }: Conversion): Promise<void> {
  const { onProgress, signal, force, threads = defaultThreads() } = options
  const header = archiveHeader(await withSiblings(environment))
  const started = performance.now()
  await publishArchive<true>({
    path: target,
    ...(signal && { signal }),
    already: async () => (!force && (await isOurs(target)) ? true : undefined),
    write: async (temporary) => {
      onProgress({ kind: 'info', message: 'Unpacking' })
      const { condaPackItems, openCondaPack } = await foreignReader()
      const archive = await openCondaPack(path, handle)
      const onLeft = (left: string) =>
        onProgress({ kind: 'warning', message: `The path of the environment does not fit into ${displayPath(left)}` })
      const items = condaPackItems(archive, handle, { ...header, mtimeNs, onLeft })
      await writeArchive({
        path: temporary,
        format: 'tar.zst',
        level: 1,
        threads,
        header,
        items,
        ...(signal && { signal }),
      })
      const seconds = Math.round((performance.now() - started) / 1000)
      onProgress({ kind: 'info', message: `Total 'conda-unpack' time: ${seconds} seconds` })
      return true
    },
  })
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
