import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { displayPath } from '../model/byte-path.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import type { ExtractResult } from '../stage/finish-tree.ts'
import { whyHarmless } from '../stage/harmless.ts'
import type { Place } from '../stage/place.ts'
import { type IndexBytes, keepIndex, writeRecord } from '../stage/record.ts'
import type { LeftFile } from '../workers/protocol.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'

export interface Extracted {
  place: Place
  /** The archive that it came from; none where that could not be written. */
  archive: string | undefined
  index: ArchiveIndex
  bytes: IndexBytes
  result: ExtractResult
}

/** What is left to do when all files are there; the record makes a stage of it, so it comes last. */
export async function completeStage(
  { place: { folder, prefix }, archive, index, bytes, result }: Extracted,
  environment: Environment,
  { onProgress, writable, warnings }: Filled<StageOptions>,
): Promise<StageResult> {
  const readOnly = writable !== true
  for (const message of leftMessages(result.left, index.prefixes, prefix)) onProgress({ kind: 'warning', message })
  if (readOnly) onProgress({ kind: 'phase', phase: 'read-only', prefix: environment.prefix, target: prefix })
  await keepIndex(bytes, folder)
  const from = archive === undefined ? {} : { archive }
  await writeRecord(folder, {
    version: 1,
    original: environment.prefix,
    prefix,
    archive: { ...(archive !== undefined && { path: archive }), created: index.created },
    created: new Date().toISOString(),
    owner: ownIdentity(),
    readOnly,
    files: result.files,
    digests: Object.fromEntries(result.digests),
  })
  const { files, bytes: size } = result
  return { original: environment.prefix, prefix, folder, ...from, files, bytes: size, warnings }
}

/** A warning where the original prefix (one of `from`) had to be left in files by which a program may go. */
function leftMessages(left: readonly LeftFile[], from: readonly string[], to: string): string[] {
  const bad = left.filter((file) => whyHarmless(file.path, file) === undefined)
  const { container = [], other = [] } = Object.groupBy(bad, ({ readable }) => (readable ? 'container' : 'other'))
  const messages = container.length === 0 ? [] : [`Archives and databases can't be edited: ${listOf(container)}`]
  return other.length === 0 ? messages : [...messages, lengthMessage(listOf(other), from, to)]
}

function listOf(left: readonly LeftFile[]): string {
  const shown = left.slice(0, 5).map(({ path }) => displayPath(path))
  const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : ''
  return `${shown.join(', ')}${more}: these still reach the original`
}

function lengthMessage(files: string, from: readonly string[], to: string): string {
  if (from.every((prefix) => Buffer.byteLength(prefix) < Buffer.byteLength(to)))
    return `The path of the copy is longer than that of the original, and does not fit into ${files}. A shorter local folder (--path=DIR) avoids it`
  return `The path of the copy is not as long as that of the original, as it would have to be in ${files}`
}
