import { constants, unlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { damaged } from '../archive/failure.ts'
import { isOurs, readIndex } from '../archive/reader.ts'
import { verifyArchive } from '../archive/verify/verify-archive.ts'
import { openTrusted, removeLeftovers, temporaryName, withArchiveLock } from '../cache/index.ts'
import { expectedMembers } from '../conda-pack/plain-tool-members.ts'
import { type Environment, findEnvironment } from '../environment/find.ts'
import { pixiName } from '../environment/pixi.ts'
import { StageError } from '../errors.ts'
import { attributeReasons } from '../image/retire/attributes.ts'
import { type Difference, differencesOf, differentBytes } from '../image/retire/compare.ts'
import { isThere, Places } from '../image/retire/places.ts'
import { pointersInto } from '../image/retire/pointers.ts'
import { reasonsInTree, reasonsOfDifferences } from '../image/retire/reasons.ts'
import { changeBetween, type Tree, treeOf } from '../image/retire/tree.ts'
import { throwIfCancelled } from '../inventory/cancel.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { leasesOf, someLive } from '../leases/lease.ts'
import { activePrefix } from '../model/active.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { displayPath } from '../model/byte-path.ts'
import { closeRead } from '../platform/close.ts'
import { groupOfNew } from '../platform/new-group.ts'
import { access, lstat, realpath, stat } from '../platform/remote-fs.ts'
import { processesIn } from '../platform/users-of.ts'
import { removeTree } from '../stage/remove-tree.ts'
import { stagesOnThisNode } from './known-stages.ts'
import type { RetireOptions, RetireResult } from './options.ts'
import { type Filled, fillIn, findOriginal } from './original.ts'
import { countProgress, timed } from './timing.ts'
import { writeEnvironment } from './write-archive.ts'

type Options = Filled<RetireOptions>

/**
 * Replaces an environment by its archive, once that is known to hold all of it: environment -> archive beside it -> both compared
 * -> renamed -> looked at once more -> removed. Whatever is stopped in between, the environment or a whole archive is there.
 * @throws StageError RETIRE_REFUSED while in doubt; then everything is as it was
 */
export async function retire(given: RetireOptions): Promise<RetireResult> {
  const options = fillIn(given)
  const { uid, signal } = options
  const places = await placesOf(options)
  await assertNotOfPixi(places, 'RETIRE_REFUSED', options)
  await assertFolderWritable(places, 'RETIRE_REFUSED').catch(async (error: unknown) => {
    // Of an environment that is not there, that is no news.
    await findEnvironment({ ...options, prefix: places.prefix })
    throw error
  })
  const withLock = <T>(body: () => Promise<T>): Promise<T> =>
    options.dryRun ? body() : withArchiveLock(places.archive, { owners: [uid], ...(signal && { signal }) }, body)
  return await withLock(async () => {
    if (!options.dryRun) await recover(places, options)
    const environment = await findOriginal({ ...options, prefix: places.prefix, allowBase: false })
    const tree = await treeOf(places.prefix, signal)
    await assertNoDoubt(places, environment, tree, options)
    const facts = { original: environment.prefix, archive: places.archive, ...amountOf(tree) }
    await warnOfPointers(environment, options)
    if (options.dryRun) return facts
    await options.confirm?.(facts)
    const isNew = !isThere(places.archive)
    const archiveBytes = await archiveOf(places, environment, tree, options)
    try {
      await setAside(places, tree, options)
    } catch (error) {
      // It would be of an earlier state, the next time.
      if (isNew && isThere(places.prefix)) unlinkIfThere(places.archive)
      throw error
    }
    await remove(places, tree, options)
    return { ...facts, archiveBytes }
  })
}

/** The folder itself may not be a link: that would stay behind. */
async function placesOf(options: Options): Promise<Places> {
  const active = activePrefix(options.env)
  const wanted = resolve(options.cwd, options.prefix ?? active ?? '')
  if (options.prefix === undefined && !active) await findEnvironment(options)
  const folder = await realpath(dirname(wanted)).catch(() => dirname(wanted))
  const prefix = join(folder, basename(wanted))
  const isLink = await lstat(prefix).then(
    (facts) => facts.isSymbolicLink(),
    () => false,
  )
  if (!isLink) return new Places(prefix)
  throw new StageError('RETIRE_REFUSED', `${wanted} is a symbolic link`, {
    path: wanted,
    hint: `Name the folder itself: --prefix=${await realpath(prefix).catch(() => 'ENV')}`,
  })
}

/** Brings what a killed call left in order. Under the lock. */
export async function recover(places: Places, { onProgress }: Pick<Options, 'onProgress'>): Promise<void> {
  await removeLeftovers(places.archive)
  for (const message of await places.recover()) onProgress({ kind: 'info', message })
}

/** Not even our lock may stand among the environments of pixi. @throws StageError with this code */
export async function assertNotOfPixi(
  { prefix }: Places,
  code: 'RETIRE_REFUSED' | 'RESTORE_FAILED',
  { env }: Pick<Options, 'env'>,
): Promise<void> {
  if ((await pixiName({ prefix, real: prefix }, env)) === undefined) return
  throw new StageError(code, `${prefix} belongs to pixi, which takes all that stands beside it for environments`, {
    path: prefix,
    hint: "'pixi clean' removes the environment, and 'pixi install' makes it again from pixi.lock.",
  })
}

/** Renaming needs that. @throws StageError with this code */
export async function assertFolderWritable(
  { prefix }: Places,
  code: 'RETIRE_REFUSED' | 'RESTORE_FAILED',
): Promise<void> {
  const folder = dirname(prefix)
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw new StageError(code, `You can't write to ${folder}, so ${prefix} can't be renamed or made there`, {
      path: folder,
      hint: 'Ask the owner of that folder.',
      cause,
    })
  })
}

/** All reasons at once: nobody should have to try again and again. */
async function assertNoDoubt(places: Places, environment: Environment, tree: Tree, options: Options): Promise<void> {
  const { prefix } = places
  const reasons = [
    ...(await usesOf(places, environment, options)),
    ...reasonsInTree(tree, { uid: options.uid, gid: await groupOfNew(dirname(prefix)) }),
    ...reasonsOfDifferences(leftOutOf(tree, environment)),
    ...(await attributeReasons(prefix)),
  ]
  if (reasons.length > 0) throw refused(environment.prefix, reasons)
}

/** Who would lose it from under their feet, as far as that is known on this node. */
async function usesOf(
  { prefix }: Places,
  { real, prefix: given }: Pick<Environment, 'real' | 'prefix'>,
  options: Options,
): Promise<string[]> {
  const { env, cwd } = options
  const names = Object.keys(env).filter((name) => /^(?:CONDA_PREFIX(?:_\d+)?|VIRTUAL_ENV)$/.test(name) && env[name])
  const active = await Promise.all(names.map((name) => realpath(env[name]!).catch(() => env[name]!)))
  const pids = processesIn(prefix)
  const copies = (await stagesOnThisNode(options)).filter(
    ({ record }) => record.real === real || [prefix, given].includes(record.original),
  )
  const used = await Promise.all(copies.map(async ({ folder }) => await someLive(await leasesOf(folder))))
  return [
    ...(active.includes(prefix) ? ['it is active in this session (conda deactivate, or deactivate)'] : []),
    ...(`${cwd}/`.startsWith(`${prefix}/`) ? ['the current folder is in it (cd elsewhere)'] : []),
    ...(pids.length > 0 ? [`programs of this node use it: process ${pids.slice(0, 5).join(', ')}`] : []),
    ...copies
      .filter((_, at) => used[at])
      .map(({ record }) => `its copy ${record.prefix} is in use (conda-stage --list)`),
  ]
}

/** What an archive leaves out of an environment, and what it can't hold. */
function leftOutOf(tree: Tree, environment: Environment): Difference[] {
  const isExcluded = exclusions(environment)
  return [...tree.values()].flatMap(({ path, type }): Difference[] => {
    if (/^is /.test(type)) return [{ path, why: type, isLeftOut: true }]
    return isExcluded(path) ? [{ path, why: 'is a lock or a record of a tool', isLeftOut: true }] : []
  })
}

function amountOf(tree: Tree): Pick<RetireResult, 'files' | 'bytes' | 'entries'> {
  const files = [...tree.values()].filter(({ type }) => type === 'file')
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0), entries: tree.size }
}

async function warnOfPointers({ prefix, real }: Environment, { env, cwd, onProgress }: Options): Promise<void> {
  for (const each of new Set([prefix, real]))
    for (const pointer of await pointersInto(each, { env, cwd }))
      onProgress({
        kind: 'warning',
        message: `${pointer} points into ${prefix}, and stops working until it is restored`,
      })
}

/** The archive, compared with the environment: a new one, or the one that a stopped call has finished. */
async function archiveOf(places: Places, environment: Environment, tree: Tree, options: Options): Promise<number> {
  const { archive } = places
  if (isThere(archive)) {
    if (!(await isOurs(archive))) throw inTheWay(archive, 'is not an archive of conda-stage')
    const differences = await differencesWith(archive, places.prefix, tree, options)
    if (differences.length > 0) throw inTheWay(archive, 'holds an earlier state, and is not replaced')
    return (await stat(archive)).size
  }
  const temporary = temporaryName(archive)
  try {
    const quiet = { ...options, force: true, ignoreEditablePackages: true, ignoreMissingFiles: true }
    const phase = { kind: 'phase', phase: 'pack', prefix: environment.prefix, environment: environment.kind } as const
    await timed(options.onProgress, phase, () =>
      writeEnvironment(temporary, { environment, candidates: [archive, temporary] }, quiet),
    )
    const differences = await differencesWith(temporary, places.prefix, tree, options)
    const group = reasonsInTree(tree, { uid: options.uid, gid: (await lstat(temporary)).gid })
    const reasons = [...reasonsOfDifferences(differences), ...group]
    if (reasons.length > 0) throw refused(environment.prefix, reasons)
    const { size } = await stat(temporary)
    places.move(temporary, archive)
    return size
  } catch (error) {
    unlinkIfThere(temporary)
    throw error
  }
}

/** The whole archive is read and checked in itself, and then every byte of the environment. */
async function differencesWith(archive: string, prefix: string, tree: Tree, options: Options): Promise<Difference[]> {
  const { onProgress, signal, uid } = options
  const handle = await openTrusted(archive, [uid])
  try {
    return await timed(onProgress, { kind: 'phase', phase: 'verify', prefix: archive }, async () => {
      const index = await readIndex(archive, handle)
      await assertSound(archive, handle, index, options)
      const bytes = await differentBytes(prefix, index.entries, {
        signal,
        onChecked: countProgress('verify', onProgress),
      })
      return [...differencesOf(tree, index.entries), ...bytes]
    })
  } finally {
    await closeRead(handle)
  }
}

async function assertSound(path: string, handle: FileHandle, index: ArchiveIndex, { signal }: Options): Promise<void> {
  const besides = expectedMembers(index)
  const findings = await verifyArchive({ path, handle, index, generator: index.generator, besides, signal })
  const bad = findings.find(({ harmless }) => !harmless)
  if (bad) throw damaged(path, `${displayPath(bad.path)} ${bad.why}`.trim())
}

/** Gives it the name by which it is known that its archive stands for it. Each step is done or not done, whatever signals come. */
async function setAside(places: Places, tree: Tree, options: Options): Promise<void> {
  const { prefix, retiring, removing } = places
  const { signal } = options
  places.move(prefix, retiring)
  try {
    // By its name, nobody can come any more. What came before shows now.
    const changed = changeBetween(tree, await treeOf(retiring, signal), { isRenamed: true })
    const reasons = [
      ...(changed === undefined ? [] : [`${displayPath(changed) || 'its folder'} was changed meanwhile`]),
      ...processesIn(retiring).map((pid) => `process ${pid} has begun to use it`),
    ]
    if (reasons.length > 0) throw refused(prefix, reasons)
    throwIfCancelled(signal, prefix)
  } catch (error) {
    places.move(retiring, prefix)
    throw error
  }
  places.move(retiring, removing)
}

/** If it is stopped, the next call removes the rest. */
async function remove({ prefix, archive, removing }: Places, tree: Tree, { onProgress }: Options): Promise<void> {
  onProgress({ kind: 'info', message: `Removing ${prefix}; its archive is ${archive} ...` })
  const report = countProgress('remove', onProgress)
  await removeTree(removing, { onRemoved: (files) => report(files, tree.size) })
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was given its name, or never made.
  }
}

const refused = (prefix: string, lines: string[]): StageError =>
  new StageError('RETIRE_REFUSED', `${prefix} is not retired, and is as it was:`, {
    path: prefix,
    lines,
    hint: 'Mend this, then try again. docs/retire.md says why each of these matters.',
  })

const inTheWay = (archive: string, what: string): StageError =>
  new StageError('RETIRE_REFUSED', `${archive} ${what}`, {
    path: archive,
    hint: 'Move it away, or remove it if nobody needs it, then try again.',
  })
