import { dirname } from 'node:path'
import { encodeHead } from '../archive/index/head.ts'
import { leaveScripts } from '../auto-stage/script.ts'
import type { Environment } from '../environment/find.ts'
import { addLease } from '../leases/lease.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { byPath, displayPath } from '../model/byte-path.ts'
import { jobId } from '../platform/job.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { packageRoot } from '../platform/program.ts'
import type { ExtractResult } from '../stage/finish-tree.ts'
import { whyHarmless } from '../stage/harmless.ts'
import { noteFolders } from '../stage/intact.ts'
import { type IndexBytes, keepIndex } from '../stage/kept-index.ts'
import { noteArchive } from '../stage/noted-archive.ts'
import { noteLocalFolder } from '../stage/noted-folders.ts'
import { addOwnFiles } from '../stage/own-files.ts'
import type { Place } from '../stage/place.ts'
import { type StageRecord, writeRecord } from '../stage/record.ts'
import type { LeftFile } from '../workers/protocol.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { isShared, type LeaseFacts, leaseFor } from './share.ts'

export interface Extracted {
  place: Place
  /** The archive that it came from; none if that could not be written. */
  archive: string | undefined
  /** Which file that is, see `fileOf`; only if whoever joins the stage may look there. */
  file?: string | undefined
  index: ArchiveIndex
  bytes: IndexBytes
  result: ExtractResult
}

/** What remains to be done when all files are written. The record makes the folder a stage, so it comes last. */
export async function completeStage(
  { place: { folder, prefix }, archive, file, index, bytes, result }: Extracted,
  environment: Environment,
  options: Filled<StageOptions & LeaseFacts>,
): Promise<StageResult> {
  const { onProgress, writable, warnings, form = 'tree' } = options
  const readOnly = writable !== true
  for (const message of leftMessages(result.left, index.prefixes, prefix)) onProgress({ kind: 'warning', message })
  if (readOnly) onProgress({ kind: 'phase', phase: 'read-only', prefix: environment.prefix, target: prefix })
  // At the original's own path the copy goes with the last process that sees it.
  const scripts = form === 'tree' ? leaveScripts(`${packageRoot()}/bin/conda-stage`) : []
  const own = addOwnFiles(prefix, { entries: index.entries, readOnly, scripts })
  await keepIndex(bytes, folder)
  const from = archive === undefined ? {} : { archive }
  const record: StageRecord = {
    version: 1,
    original: environment.prefix,
    real: environment.real,
    isPrivate: !isShared(options),
    prefix,
    ...(form !== 'tree' && { form }),
    archive: { ...(archive !== undefined && { path: archive }), created: index.created },
    created: new Date().toISOString(),
    owner: ownIdentity(),
    readOnly,
    files: result.files,
    bytes: result.bytes,
    digests: Object.fromEntries(result.digests),
  }
  await noteFolders({ folder, record }, { entries: index.entries, own })
  if (file !== undefined) await noteArchive(folder, file, encodeHead(index))
  // Nobody may take the stage for one that is not used.
  const lease = await addLease(folder, leaseFor(environment.prefix, options))
  await writeRecord(folder, record)
  await noteLocal(folder, options)
  const { files, bytes: size } = result
  return { original: environment.prefix, prefix, folder, ...from, files, bytes: size, lease, others: 0, warnings }
}

/** Notes a local folder that the user named: the others are known, and in a job the folder is one that will be gone. */
export async function noteLocal(folder: string, { path, env }: Filled<StageOptions>): Promise<void> {
  if ((path ?? env.CONDA_STAGE_PATH) && jobId(env) === undefined) await noteLocalFolder(dirname(folder), env)
}

/** A warning if the original prefix (one of `from`) had to stay in files that a program may use. */
function leftMessages(left: readonly LeftFile[], from: readonly string[], to: string): string[] {
  const bad = left.filter((file) => whyHarmless(file.path, file) === undefined)
  const { container = [], other = [] } = Object.groupBy(bad, ({ readable }) => (readable ? 'container' : 'other'))
  const still = 'still point to the original'
  const isLonger = from.every((prefix) => Buffer.byteLength(prefix) < Buffer.byteLength(to))
  const why = isLonger ? "is longer than the original's" : 'has a different length'
  const remedy = isLonger ? '. A shorter local folder (--path=DIR) avoids this' : ''
  return [
    ...(container.length > 0
      ? [`These archives and databases ${still}, because they can't be edited: ${listOf(container)}`]
      : []),
    ...(other.length > 0 ? [`These files ${still}, because the copy's path ${why}: ${listOf(other)}${remedy}`] : []),
  ]
}

function listOf(left: readonly LeftFile[]): string {
  const shown = left
    .toSorted(byPath)
    .slice(0, 5)
    .map(({ path }) => displayPath(path))
  const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : ''
  return `${shown.join(', ')}${more}`
}
