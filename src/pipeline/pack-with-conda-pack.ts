import { dirname, join, resolve } from 'node:path'
import { asWriteFailure, foreign } from '../archive/failure.ts'
import { isOurs } from '../archive/reader.ts'
import { assertOutside, openTrusted, temporaryName } from '../cache/index.ts'
import { findCondaPack, installCondaPack, type PackerOptions, runCondaPack } from '../conda-pack/packer.ts'
import type { Environment } from '../environment/find.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { rename, stat, unlink } from '../platform/remote-fs.ts'
import { changedSince, foreignReader, isMissing } from './foreign-archive.ts'
import type { PackForElsewhereOptions, PackOptions, PackResult } from './options.ts'
import { type Filled, pathsOf } from './original.ts'
import { timedInfo } from './timing.ts'

type CondaPackOptions = Omit<Filled<PackOptions>, 'format'> & Required<Pick<PackForElsewhereOptions, 'format'>>

/**
 * Packs with conda-pack: `NAME.tar.gz` beside the environment, or the file that --output names. An archive of conda-pack's
 * that is there already stays, unless conda's records or --force say that it is out of date.
 * @throws StageError NO_CONDA_PACK, CONDA_PACK_FAILED; ARCHIVE_FOREIGN if another file is in the way
 */
export async function packWithCondaPack(environment: Environment, options: CondaPackOptions): Promise<PackResult> {
  const { prefix, name } = environment
  const { cwd, warnings, output, format } = options
  const path = output === undefined ? join(dirname(prefix), `${name}.${format}`) : resolve(cwd, output)
  await assertOutside(path, pathsOf(environment))
  const fresh = !(await isMissing(path)) && (await isCurrent(path, environment, options))
  if (!fresh) await writeWithCondaPack(path, environment, options)
  return { prefix, archive: path, bytes: (await stat(path)).size, fresh, warnings }
}

/** @throws StageError ARCHIVE_FOREIGN if conda-pack did not write the file: such a file is never replaced. */
async function isCurrent(path: string, environment: Environment, options: CondaPackOptions): Promise<boolean> {
  if (await isOurs(path)) throw foreign(path, 'was written by conda-stage, not by conda-pack')
  const handle = await openTrusted(path, [options.uid, environment.ownerUid])
  try {
    await (await foreignReader()).openCondaPack(path, handle)
    const { mtimeNs } = await handle.stat({ bigint: true })
    return !options.force && (await changedSince(environment, mtimeNs)) === undefined
  } finally {
    await closeRead(handle)
  }
}

async function writeWithCondaPack(path: string, { prefix }: Environment, options: CondaPackOptions): Promise<void> {
  const { env, signal, onProgress } = options
  const packer: PackerOptions = { env, prefix, signal }
  const program =
    (await findCondaPack(packer)) ??
    (await timedInfo(onProgress, { message: 'Installing conda-pack ...', what: "'conda-pack' installation" }, () =>
      installCondaPack(packer),
    ))
  const temporary = temporaryName(path)
  const onOutput = (text: string) => onProgress({ kind: 'output', text })
  try {
    await timedInfo(onProgress, { message: 'Packaging conda environment ...', what: "'conda-pack'" }, async () => {
      await runCondaPack(program, argumentsOf(prefix, temporary, options), { ...packer, onOutput })
      await rename(temporary, path).catch((error: unknown) => {
        throw asWriteFailure(error, path)
      })
    })
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

function argumentsOf(prefix: string, output: string, options: CondaPackOptions): string[] {
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
