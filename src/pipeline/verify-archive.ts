import type { FileHandle } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { asReadFailure, foreign } from '../archive/failure.ts'
import { isOurs, readIndex } from '../archive/reader.ts'
import type { ArchiveFinding } from '../archive/verify/finding.ts'
import { verifyArchive } from '../archive/verify/verify-archive.ts'
import { archiveCandidates, distrust, isOpenToAll } from '../cache/index.ts'
import { expectedMembers } from '../conda-pack/plain-tool-members.ts'
import { findEnvironment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { READ_ONLY } from '../platform/fd.ts'
import { programVersion } from '../platform/program.ts'
import { lstat, open, stat } from '../platform/remote-fs.ts'
import { isDamage } from './archive-choice.ts'
import { foreignReader } from './foreign-archive.ts'
import type { VerifyArchiveOptions, VerifyArchiveResult } from './options.ts'
import type { Filled } from './original.ts'
import { countProgress, timed } from './timing.ts'

type Options = Filled<VerifyArchiveOptions>

export async function verifyArchiveOf(options: Options): Promise<VerifyArchiveResult> {
  const path = await archiveOf(options)
  const handle = await open(path, READ_ONLY).catch((error: unknown) => {
    throw asReadFailure(error, path)
  })
  try {
    if (!(await handle.stat()).isFile()) throw foreign(path, 'is not a file')
    const phase = { kind: 'phase', phase: 'verify', prefix: path } as const
    return await timed(options.onProgress, phase, () => verifyOpen(path, handle, options))
  } finally {
    await closeRead(handle)
  }
}

async function verifyOpen(path: string, handle: FileHandle, options: Options): Promise<VerifyArchiveResult> {
  const ours = await indexOf(path, handle)
  const trust = await trustFindings(path, handle, { index: ours?.index, uid: options.uid })
  if (ours === undefined) return withFindings(await verifyWithoutIndex(path, handle, options), trust)
  const facts = { archive: path, madeBy: 'conda-stage', hasIndex: true, files: 0, bytes: 0 } as const
  if (ours.index === undefined) return { ...facts, findings: [...trust, ofArchive(ours.damage)] }
  const { index } = ours
  const onChecked = countProgress('verify', options.onProgress)
  const files = index.entries.filter((entry) => entry.type === 'file')
  const generator = `conda-stage ${programVersion()}`
  const isOurVersion = index.generator === generator
  const besides = expectedMembers(index).map(({ path, digest }) => ({ path, ...(isOurVersion && { digest }) }))
  const findings = await verifyArchive({
    path,
    handle,
    index,
    generator,
    besides,
    onChecked: (done) => onChecked(done, files.length),
    signal: options.signal,
  })
  if (index.format === 'sqfs') {
    const { verifyImage } = await import('../image/verify-image.ts')
    findings.push(
      ...(await verifyImage(path, handle, index, {
        generator,
        onChecked: (done) => onChecked(done, files.length),
        signal: options.signal,
      })),
    )
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return { ...facts, files: files.length, bytes, findings: [...trust, ...findings] }
}

const withFindings = (result: VerifyArchiveResult, more: readonly ArchiveFinding[]): VerifyArchiveResult => ({
  ...result,
  findings: [...more, ...result.findings],
})

/** The archive that is named, or the first of the environment's that is there. */
async function archiveOf(options: Options): Promise<string> {
  const { archive, cwd } = options
  if (archive !== undefined) return resolve(cwd, archive)
  const environment = await findEnvironment(options)
  const candidates = archiveCandidates(environment, options)
  for (const candidate of candidates) if (await isOurs(candidate)) return candidate
  throw new StageError('NO_ARCHIVE', `${environment.prefix} is not staged, and has no archive`, {
    path: environment.prefix,
    hint: "'conda-stage --pack' writes one. Name another archive with --output=FILE, or a staged copy with --prefix=STAGED",
  })
}

/** Undefined if it is not an archive of conda-stage with an index; what is wrong with the index if it can't be read. */
async function indexOf(
  path: string,
  handle: FileHandle,
): Promise<{ index: ArchiveIndex; damage?: never } | { index?: never; damage: StageError } | undefined> {
  try {
    return { index: await readIndex(path, handle) }
  } catch (error) {
    if (isDamage(error)) return { damage: error }
    if (error instanceof StageError && error.code === 'ARCHIVE_FOREIGN') return undefined
    throw error
  }
}

/** Whose archive it is decides whether it would be used at all. */
async function trustFindings(
  path: string,
  handle: FileHandle,
  { index, uid }: { index: ArchiveIndex | undefined; uid: number },
): Promise<ArchiveFinding[]> {
  const original = index && (await stat(index.prefixes[0]!).catch(() => undefined))
  const why = await distrust(path, handle, original ? [uid, original.uid] : [uid])
  const finding = (text: string, harmless: boolean): ArchiveFinding => ({
    path: '',
    kind: 'archive',
    why: text,
    harmless,
  })
  if (why !== undefined) return [finding(why, false)]
  const folder = dirname(path)
  const { mode } = await lstat(folder)
  const isOpen = (await isOpenToAll(folder)) && (mode & 0o1000) === 0
  return isOpen ? [finding(`anybody can put another file in its place: ${folder} can be written by all`, true)] : []
}

async function verifyWithoutIndex(path: string, handle: FileHandle, options: Options): Promise<VerifyArchiveResult> {
  const { openCondaPack, readWhole } = await foreignReader()
  const isTarOfOurs = await isOurs(path)
  const facts = { archive: path, madeBy: isTarOfOurs ? 'conda-stage' : 'conda-pack', hasIndex: false } as const
  const onChecked = countProgress('verify', options.onProgress)
  try {
    if (!isTarOfOurs) await openCondaPack(path, handle)
    const read = await readWhole(path, handle, (files) => {
      if (options.signal?.aborted)
        throw new StageError('CANCELLED', `Verifying ${path} was cancelled`, { path, cause: options.signal.reason })
      onChecked(files, files)
    })
    return { ...facts, ...read, findings: [] }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { ...facts, files: 0, bytes: 0, findings: [ofArchive(error)] }
  }
}

const ofArchive = ({ message }: StageError): ArchiveFinding => ({
  path: '',
  kind: 'archive',
  why: message,
  harmless: false,
})
