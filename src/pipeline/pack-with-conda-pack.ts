import { rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { foreign } from '../archive/failure.ts'
import { isOurs } from '../archive/reader.ts'
import { openTrusted, temporaryName } from '../cache/index.ts'
import { findCondaPack, runCondaPack } from '../conda-pack/packer.ts'
import type { Environment } from '../environment/find.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { changedSince, foreignReader, isNothing } from './foreign-archive.ts'
import type { PackOptions, PackResult } from './options.ts'
import type { Filled } from './original.ts'

/**
 * Packs with conda-pack: `NAME.tar.gz` beside the environment, or what --output names. An archive that conda-pack made
 * there is taken as it is where nothing tells that it is out of date.
 * @throws StageError NO_CONDA_PACK, CONDA_PACK_FAILED, ARCHIVE_FOREIGN where something else is in the way
 */
export async function packWithCondaPack(environment: Environment, options: Filled<PackOptions>): Promise<PackResult> {
  const { prefix } = environment
  const { cwd, onProgress, warnings, output, format } = options
  const path = output === undefined ? join(dirname(prefix), `${environment.name}.${format}`) : resolve(cwd, output)
  const result = async (fresh: boolean) => ({ prefix, archive: path, bytes: (await stat(path)).size, fresh, warnings })
  if (!(await isNothing(path)) && (await isCurrent(path, environment, options))) return await result(true)
  const surroundings = {
    env: options.env,
    prefix,
    onOutput: (text: string) => onProgress({ kind: 'output', text }),
    signal: options.signal,
  }
  let begun: number | undefined
  const onInstall = () => {
    begun = performance.now()
    onProgress({ kind: 'info', message: 'Installing conda-pack ...' })
  }
  const program = await findCondaPack({ ...surroundings, onInstall })
  const told = (what: string, since: number) =>
    onProgress({
      kind: 'info',
      message: `Total ${what} time: ${Math.round((performance.now() - since) / 1000)} seconds`,
    })
  if (begun !== undefined) told("'conda-pack' installation", begun)
  onProgress({ kind: 'info', message: 'Packaging conda environment ...' })
  const started = performance.now()
  const temporary = temporaryName(path)
  try {
    await runCondaPack(program, argumentsOf(environment, temporary, options), surroundings)
    await rename(temporary, path)
  } finally {
    await unlink(temporary).catch(() => {})
  }
  told("'conda-pack'", started)
  return await result(false)
}

function argumentsOf({ prefix }: Environment, output: string, options: Filled<PackOptions>): string[] {
  const { format, compressLevel, threads, arcroot, destPrefix, filters = [] } = options
  return [
    `--prefix=${prefix}`,
    `--output=${output}`,
    `--format=${format}`,
    `--n-threads=${threads ?? defaultThreads()}`,
    ...(compressLevel === undefined ? [] : [`--compress-level=${compressLevel}`]),
    ...(arcroot === undefined ? [] : [`--arcroot=${arcroot}`]),
    ...(destPrefix === undefined ? [] : [`--dest-prefix=${destPrefix}`]),
    ...(format === 'zip' ? ['--zip-symlinks'] : []),
    ...(options.ignoreMissingFiles ? ['--ignore-missing-files'] : []),
    ...(options.ignoreEditablePackages ? ['--ignore-editable-packages'] : []),
    ...filters.map(({ kind, pattern }) => `--${kind}=${pattern}`),
  ]
}

/** @throws StageError ARCHIVE_FOREIGN where it is not one of conda-pack's: it is never replaced. */
async function isCurrent(path: string, environment: Environment, options: Filled<PackOptions>): Promise<boolean> {
  if (await isOurs(path)) throw foreign(path, 'was written by conda-stage, not by conda-pack')
  const handle = await openTrusted(path, [options.uid, environment.ownerUid])
  try {
    await (await foreignReader()).openCondaPack(path, handle)
    const { mtimeNs } = await handle.stat({ bigint: true })
    return !options.force && (await changedSince(environment, mtimeNs)) === undefined
  } finally {
    await handle.close()
  }
}
