import { dirname } from 'node:path'
import { encodeHead } from '../archive/index/head.ts'
import { leaveScripts } from '../auto-stage/script.ts'
import type { Environment } from '../environment/find.ts'
import { addLease } from '../leases/lease.ts'
import { megabytes } from '../model/amounts.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { jobId } from '../platform/job.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { packageRoot } from '../platform/program.ts'
import { addLinksOfBase, CONDA_PROGRAM, condarcOf } from '../stage/base-files.ts'
import type { ExtractResult, Shared } from '../stage/finish-tree.ts'
import { noteFolders } from '../stage/intact.ts'
import { type IndexBytes, keepIndex } from '../stage/kept-index.ts'
import { noteArchive } from '../stage/noted-archive.ts'
import { noteLocalFolder } from '../stage/noted-folders.ts'
import { addOwnFiles } from '../stage/own-files.ts'
import type { Place } from '../stage/place.ts'
import { type Stage, type StageRecord, writeRecord } from '../stage/record.ts'
import { leadToBase, PYVENV_CFG } from '../stage/venv-base.ts'
import { leftMessages } from './left-messages.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { type AloneFacts, isShared, type LeaseFacts, leaseFor } from './share.ts'

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
  options: Filled<StageOptions & LeaseFacts & AloneFacts>,
): Promise<StageResult> {
  const { onProgress, writable, form = 'tree' } = options
  const readOnly = writable !== true
  for (const message of leftMessages(result.left, index.prefixes, prefix)) onProgress({ kind: 'warning', message })
  if (readOnly) onProgress({ kind: 'phase', phase: 'read-only', prefix: environment.prefix, target: prefix })
  // At the original's own path the copy goes with the last process that sees it.
  const scripts = form === 'tree' ? leaveScripts(`${packageRoot()}/bin/conda-stage`) : []
  const hasConda = form === 'tree' && environment.isBase && index.entries.some(({ path }) => path === CONDA_PROGRAM)
  if (hasConda) scripts.push(condarcOf(environment.prefix))
  const own = addOwnFiles(prefix, { kind: environment.kind, entries: index.entries, readOnly, scripts })
  if (hasConda) own.push(...addLinksOfBase(prefix, environment.prefix))
  await keepIndex(bytes, folder)
  const { files, bytes: size, digests, shared } = result
  if (options.base) digests.push([PYVENV_CFG, leadToBase(prefix, index.entries, options.base)])
  const source = { path: archive, created: index.created }
  const isSharing = shared !== undefined && shared.files > 0
  if (isSharing) onProgress({ kind: 'info', message: sharedText(shared, files) })
  const contents = { files, bytes: size, digests: Object.fromEntries(digests), ...(isSharing && { shared }) }
  const record = recordOf({ prefix, source, ...contents }, environment, options)
  await noteFolders({ folder, record }, { entries: index.entries, own })
  if (file !== undefined) await noteArchive(folder, file, encodeHead(index))
  return await publishStage({ folder, record }, environment, options)
}

const sharedText = (shared: Shared, files: number): string =>
  `Shares ${shared.files} of ${files} files (${megabytes(shared.bytes)}) with other copies on this node: they take up no room of their own`

interface Contents extends Pick<StageRecord, 'prefix' | 'files' | 'bytes' | 'digests' | 'shared'> {
  /** The archive, without a path if that could not be written. */
  source: { path: string | undefined; created: string }
}

export function recordOf(
  { prefix, source: { path, created }, ...contents }: Contents,
  environment: Environment,
  options: Filled<StageOptions & AloneFacts>,
): StageRecord {
  const { form = 'tree', writable, alone, base } = options
  return {
    version: 1,
    ...(environment.kind !== 'conda' && { kind: environment.kind }),
    original: environment.prefix,
    real: environment.real,
    isPrivate: !isShared(options),
    ...(alone !== undefined && { alone }),
    ...(base && { base }),
    prefix,
    ...(form !== 'tree' && { form }),
    archive: { ...(path !== undefined && { path }), created },
    created: new Date().toISOString(),
    owner: ownIdentity(),
    readOnly: writable !== true,
    ...contents,
  }
}

/** Makes the folder a stage, which its maker uses. */
export async function publishStage(
  { folder, record }: Stage,
  environment: Environment,
  options: Filled<StageOptions & LeaseFacts>,
): Promise<StageResult> {
  const { path, env, warnings } = options
  const { prefix, archive, files = 0, bytes = 0 } = record
  // Nobody may take the stage for one that is not used.
  const lease = await addLease(folder, leaseFor(environment.prefix, options))
  await writeRecord(folder, record)
  // The others are known, and in a job the folder is one that will be gone.
  if ((path ?? env.CONDA_STAGE_PATH) && jobId(env) === undefined) await noteLocalFolder(dirname(folder), env)
  const from = archive.path === undefined ? {} : { archive: archive.path }
  return { original: environment.prefix, prefix, folder, ...from, files, bytes, lease, others: 0, warnings }
}
