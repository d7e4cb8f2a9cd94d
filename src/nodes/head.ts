import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openTrusted } from '../cache/index.ts'
import { StageError } from '../errors.ts'
import { counted, megabytes } from '../model/amounts.ts'
import type { OnProgress } from '../model/progress.ts'
import type { StageOptions, StageResult } from '../pipeline/options.ts'
import { fillIn } from '../pipeline/original.ts'
import { type PlannedCopy, planCopy, stagePlanned } from '../pipeline/planned.ts'
import { closeRead } from '../platform/close.ts'
import { jobOf, type Variables } from '../platform/job.ts'
import { programVersion } from '../platform/program.ts'
import { FOLDER_START } from '../stage/names.ts'
import type { Launcher } from './launcher.ts'
import { shortList } from './node-list.ts'
import { Notes } from './notes.ts'
import type { NodeFailure, StageOrder } from './protocol.ts'
import { type Caller, Roll, type RollListeners } from './roll.ts'

export interface NodesRequest {
  launcher: Launcher
  nodes: readonly string[]
  /** With `continue`, the nodes that can have the copy get it. Default: `fail`. */
  onFailure: 'continue' | 'fail'
  /** Our program, as it is found on the nodes, too. */
  program: string
  platform: string
  /** The local folder was named by the user, and is made where it is missing. */
  isLocalNamed: boolean
}

export type NodesOptions = StageOptions & { env: Variables; onProgress: OnProgress; signal: AbortSignal }

export interface NodesResult extends StageResult {
  /** The nodes that have the copy. */
  nodes: string[]
}

/** How to reach the nodes that have a copy, as the session's lease keeps it. */
export interface NodesOfCall {
  call: string
  launcher: string
  names: string[]
}

/**
 * Packs the environment unless its archive is fresh, and has each of the nodes make a copy at the same path. In the end there is
 * one here, too, which the caller uses. That need not be one of the nodes.
 * @throws StageError NODES_FAILED; then no node has anything of it
 */
export async function stageOnNodes(request: NodesRequest, options: NodesOptions): Promise<NodesResult> {
  const plan = await planCopy(options)
  const order = orderFor(plan, request, options)
  const notes = new Notes(options.onProgress)
  const roll = new Roll(request.nodes, { ...request, env: options.env }, listeners(options.onProgress, notes))
  try {
    await callNodes(roll, order, request, options)
    notes.tell(request.nodes.length)
    const nodes = roll.names('has')
    const { call } = order
    const lease = { call, launcher: request.launcher.name, names: nodes }
    const result = await stagePlanned(plan, plan.archive.path, { ...options, onProgress: notes.others, nodes: lease })
    roll.send({ kind: 'keep' }, { toAll: true })
    return { ...result, nodes }
  } catch (error) {
    roll.send({ kind: 'undo' }, { toAll: true })
    throw error
  } finally {
    await roll.end()
  }
}

/** Until each node has the copy or has failed. @throws StageError NODES_FAILED */
async function callNodes(roll: Roll, order: StageOrder, request: NodesRequest, options: NodesOptions): Promise<void> {
  const { launcher, onFailure } = request
  const { signal, onProgress } = options
  for (let wave = [...request.nodes]; wave.length > 0; ) {
    const sent = withFolder(order, request)
    roll.call(wave, sent)
    await roll.until(['called'], signal)
    if (onFailure === 'fail') throwIfFailed(roll, request)
    const needy = roll.names('needs')
    if (needy.length === 0) break
    // What goes to all nodes of a step would also go to those that have the copy, and stop at those that can't take it.
    const isForAll = launcher.transfer === 'sbcast' && needy.length < wave.length
    wave = isForAll ? needy : await transfer(needy, roll, sent, request, options)
    if (onFailure === 'fail') throwIfFailed(roll, request)
    roll.send(wave.length > 0 ? { kind: 'undo', nodes: wave } : { kind: 'go' })
    if (wave.length === 0) await roll.until(['needs'], signal)
  }
  const failures = roll.failures()
  if (roll.names('has').length === 0 || (onFailure === 'fail' && failures.length > 0)) throw failed(failures, request)
  for (const [node, { message, lines = [] }] of failures)
    onProgress({ kind: 'warning', message: `Node ${node} has no copy: ${[message, ...lines].join(' ')}` })
}

/**
 * Has the archive reach the nodes that wait for it.
 * @returns those to which it must be sent again, because others of them could not take it
 */
async function transfer(
  needy: readonly string[],
  roll: Roll,
  order: StageOrder,
  request: NodesRequest,
  options: NodesOptions,
): Promise<string[]> {
  const { archive, received } = order
  const { launcher } = request
  const { signal, onProgress } = options
  if (launcher.transfer === 'shared') return []
  onProgress({
    kind: 'info',
    message: `Sending ${archive.path} (${megabytes(archive.size)}) to ${counted(needy.length, 'node')} ...`,
  })
  if (launcher.send === undefined) {
    await pourArchive(needy, roll, order, request, options)
    return []
  }
  const { argv, env } = launcher.send(archive.path, received!.file, roll.step() ?? '')
  const [program, ...args] = argv
  const said = await new Promise<string | undefined>((resolve) =>
    execFile(program, args, { env, cwd: '/', signal }, (error, _, stderr) =>
      resolve(error ? stderr.trim() || error.message : undefined),
    ),
  )
  signal.throwIfAborted()
  if (said === undefined) return []
  onProgress({ kind: 'debug', message: `${argv.join(' ')}: ${said}` })
  const words = new Set(said.split(/[\s(),:;]+/))
  const named = needy.filter((node) => words.has(node))
  const guilty = named.length > 0 ? named : needy
  for (const node of guilty) {
    const line = said.split('\n').find((each) => named.length === 0 || each.includes(node))
    roll.fail(node, { code: 'NODES_FAILED', message: `the archive could not be sent to it: ${line}` })
  }
  return needy.filter((node) => !guilty.includes(node))
}

/** One read of the archive for all nodes. */
async function pourArchive(
  needy: readonly string[],
  roll: Roll,
  { archive: { path, size }, environment }: StageOrder,
  { onFailure }: NodesRequest,
  options: NodesOptions,
): Promise<void> {
  const handle = await openTrusted(path, [fillIn(options).uid, environment.ownerUid])
  const goesOn = (): boolean => onFailure === 'continue' || roll.failures().length === 0
  try {
    await roll.pour(needy, { kind: 'archive' }, { path, handle, size }, { signal: options.signal, goesOn })
  } finally {
    await closeRead(handle)
  }
}

function orderFor(plan: PlannedCopy, request: NodesRequest, { env, keepMinutes, threads }: NodesOptions): StageOrder {
  const call = randomBytes(12).toString('hex')
  const { isBase, kind, name, ownerUid, prefix, real } = plan.environment
  return {
    kind: 'stage',
    version: programVersion(),
    call,
    platform: request.platform,
    job: jobOf(env),
    environment: { isBase, kind, name, ownerUid, prefix, real },
    local: { ...plan.local, named: request.isLocalNamed },
    place: plan.place,
    archive: plan.archive,
    ...(plan.alone !== undefined && { alone: plan.alone }),
    needed: plan.needed,
    keepMinutes: keepMinutes === undefined ? 0 : keepMinutes,
    ...(threads !== undefined && { threads }),
  }
}

/** A folder for the archive that is of this round alone: a process of the round before may still be tidying up. */
function withFolder(order: StageOrder, { launcher }: NodesRequest): StageOrder {
  if (launcher.transfer === 'shared') return order
  const folder = `${order.local.real}/${FOLDER_START}${randomBytes(12).toString('hex')}`
  return { ...order, received: { folder, file: `${folder}/archive` } }
}

const listeners = (onProgress: OnProgress, notes: Notes): RollListeners => ({
  onSaid: (message) => onProgress({ kind: 'debug', message }),
  onNote: notes.take,
  onProgress: (sum) => onProgress({ ...sum, phase: 'extract' }),
})

function throwIfFailed(roll: Roll, request: NodesRequest): void {
  const failures = roll.failures()
  if (failures.length > 0) throw failed(failures, request)
}

function failed(failures: readonly [string, NodeFailure][], { nodes, onFailure }: NodesRequest): StageError {
  const others = nodes.filter((node) => failures.every(([name]) => name !== node))
  const lines = failures.flatMap(([node, { message, lines = [] }]) => [
    `${node}: ${message}`,
    ...lines.map((line) => `  ${line}`),
  ])
  const hints = new Set(failures.map(([, { hint }]) => hint).filter((hint) => hint !== undefined))
  const next =
    others.length === 0 || onFailure === 'continue'
      ? [...hints][0]
      : `Leave ${failures.length === 1 ? 'it' : 'them'} out: --nodes=${shortList(others)}; or go on without: --on-node-failure=continue`
  return new StageError('NODES_FAILED', `${failures.length} of ${counted(nodes.length, 'node')} can't have the copy:`, {
    lines,
    ...(next !== undefined && { hint: next }),
  })
}

/**
 * Gives the leases of a call back on its nodes, and has each remove the copy unless others use it.
 * @returns the nodes on which that did not go well, and why
 */
export async function unstageOnNodes(
  { call, names }: Pick<NodesOfCall, 'call' | 'names'>,
  prefix: string,
  caller: Caller,
  onProgress: OnProgress,
): Promise<[node: string, why: string][]> {
  const notes = new Notes(onProgress)
  const roll = new Roll(names, caller, listeners(onProgress, notes))
  try {
    roll.call(names, { kind: 'unstage', call, prefix })
    await roll.until(['called'])
    notes.tell(names.length)
    return roll.failures().map(([node, { message }]) => [node, message])
  } finally {
    await roll.end()
  }
}
