import { rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { StageError } from '../errors.ts'
import { leasesOf, removeLease } from '../leases/lease.ts'
import type { OnProgress, ProgressEvent } from '../model/progress.ts'
import type { StageOptions, StageResult } from '../pipeline/options.ts'
import { joinPlanned, localFolderOf, type PlannedCopy, stagePlanned } from '../pipeline/planned.ts'
import { unstage } from '../pipeline.ts'
import type { Variables } from '../platform/job.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { programVersion } from '../platform/program.ts'
import { makeOwnFolder } from '../stage/place.ts'
import { programsOf } from '../stage/programs.ts'
import { findStage } from '../stage/record.ts'
import type { Channel } from './channel.ts'
import type { Answer, Order, StageOrder } from './protocol.ts'

export interface AgentSurroundings {
  env: Variables
  uid: number
  /** `linux-x64` */
  platform: string
  channel: Channel
  signal: AbortSignal
}

type Answerer = (answer: Answer) => void

/** Does what the head says, on one node of several. What goes wrong is an answer, too. */
export async function serveHead(surroundings: AgentSurroundings): Promise<void> {
  const { channel } = surroundings
  const answer: Answerer = (each) => channel.answer(each)
  const beat = setInterval(() => answer({ kind: 'beat' }), channel.beatMs)
  try {
    const order = await channel.next()
    if (order?.kind === 'unstage') await leaveCopy(order, surroundings, answer)
    else if (order?.kind === 'stage') await new Staging(order, surroundings, answer).serve()
  } catch (error) {
    answer({ kind: 'failed', error: failureOf(error) })
  } finally {
    clearInterval(beat)
  }
}

/** The work on a node from the plan to the last word. */
class Staging {
  readonly #order: StageOrder
  readonly #surroundings: AgentSurroundings
  readonly #answer: Answerer
  readonly #stop = new AbortController()
  /** What this call has taken or made: a lease of a copy, and perhaps the copy. */
  #staged: (StageResult & { isNew: boolean }) | undefined

  constructor(order: StageOrder, surroundings: AgentSurroundings, answer: Answerer) {
    this.#order = order
    this.#surroundings = surroundings
    this.#answer = answer
  }

  async serve(): Promise<void> {
    const { received } = this.#order
    try {
      await this.#greet()
      await this.#obey()
    } catch (error) {
      await this.#undo()
      throw error
    } finally {
      if (received) await rm(received.folder, { recursive: true, force: true })
    }
  }

  async #greet(): Promise<void> {
    const { env, platform, uid } = this.#surroundings
    const { received, archive, needed } = this.#order
    assertSame(this.#order, platform)
    const joined = await joinPlanned(this.#plan(), this.#options())
    if (joined) this.#staged = { ...joined, isNew: false }
    else {
      const room = { bytes: needed.bytes + (received ? archive.size : 0), inodes: needed.inodes + 2 }
      await localFolderOf(this.#plan(), room, this.#options())
      if (received && !(await makeOwnFolder(received.folder, uid)))
        throw new StageError('TARGET_UNSAFE', `Something else has the path ${received.folder}`, {
          path: received.folder,
        })
    }
    const step = env.SLURM_STEP_ID
    this.#answer({ kind: 'hello', state: joined ? 'has' : 'needs', ...(step !== undefined && { step }) })
  }

  /** Until the last word. The copy is made meanwhile, so that it can be given up. */
  async #obey(): Promise<void> {
    const { channel } = this.#surroundings
    const { received, archive } = this.#order
    let work: Promise<void> | undefined
    for (;;) {
      const order = await channel.next()
      // If the head is gone before the end, that is its next word.
      if (order?.kind === 'archive') await channel.receive?.(received!.file, archive.size)
      else if (order?.kind === 'go') work ??= this.#make()
      else if (order === undefined || isLast(order, channel.node)) {
        if (order?.kind !== 'keep') this.#stop.abort()
        await work?.catch(() => {})
        if (order?.kind === 'keep') return
        await this.#undo()
        this.#answer({ kind: 'left' })
        return
      }
    }
  }

  async #make(): Promise<void> {
    const { received, archive } = this.#order
    try {
      if (this.#staged === undefined) {
        const result = await stagePlanned(this.#plan(), received?.file ?? archive.path, this.#options())
        this.#staged = { ...result, isNew: await isMadeByUs(result.prefix) }
      }
      this.#answer({ kind: 'done' })
    } catch (error) {
      this.#answer({ kind: 'failed', error: failureOf(error) })
    }
  }

  async #undo(): Promise<void> {
    const { prefix, lease, isNew } = this.#staged ?? {}
    if (prefix === undefined) return
    if (isNew) await unstage({ prefix, lease: lease!, force: true })
    else await removeLease(lease!)
    this.#staged = undefined
  }

  #plan(): PlannedCopy {
    return this.#order
  }

  #options(): StageOptions & { onNode: { call: string; job: StageOrder['job'] } } {
    const { call, job, local, keepMinutes, threads } = this.#order
    const { env, signal } = this.#surroundings
    return {
      env,
      cwd: '/',
      onNode: { call, job },
      ...(local.named && { path: local.path }),
      keepMinutes,
      ...(threads !== undefined && { threads }),
      onProgress: progressTo(this.#answer),
      signal: AbortSignal.any([signal, this.#stop.signal]),
    }
  }
}

/** Another call may have made it while the archive was on its way. */
async function isMadeByUs(prefix: string): Promise<boolean> {
  const owner = (await findStage(prefix))?.record.owner
  return owner !== undefined && isDeepStrictEqual(owner, ownIdentity())
}

const isLast = (order: Order, node: string): boolean =>
  (order.kind === 'keep' || order.kind === 'undo') && (order.nodes === undefined || order.nodes.includes(node))

function assertSame({ version, platform }: StageOrder, here: string): void {
  if (platform !== here)
    throw new StageError('NODES_FAILED', `This node is ${here}, and the copy is for ${platform}`, {
      hint: 'Name only nodes of one kind: --nodes=LIST',
    })
  if (version !== programVersion())
    throw new StageError(
      'NODES_FAILED',
      `conda-stage is ${programVersion()} here, and ${version} where it was called`,
      {
        hint: 'Install the same one for all nodes.',
      },
    )
}

/** Gives the leases of a call back, and removes the copy unless others use it. While programs run from it, the job keeps it. */
async function leaveCopy(
  { call, prefix }: Extract<Order, { kind: 'unstage' }>,
  { env }: AgentSurroundings,
  answer: Answerer,
): Promise<void> {
  const stage = await findStage(prefix)
  const own = stage ? (await leasesOf(stage.folder)).filter(({ lease }) => lease.call === call) : []
  if (stage && own.length > 0 && (await programsOf(stage)).length > 0) {
    answer({ kind: 'warning', message: `${prefix} stays: programs run from it` })
  } else {
    for (const { file } of own) {
      const { kept } = await unstage({ prefix, lease: file, env, cwd: '/' })
      if (kept)
        answer({ kind: 'detail', message: `${prefix} stays: ${'until' in kept ? 'it is kept' : 'others use it'}` })
    }
  }
  answer({ kind: 'left' })
}

/** The head has a bar for all nodes. What each would say of its own steps would drown it. */
function progressTo(answer: Answerer): OnProgress {
  let last = 0
  return (event: ProgressEvent) => {
    if (event.kind === 'warning' || event.kind === 'detail' || event.kind === 'debug') answer(event)
    else if (event.kind === 'progress' && event.phase === 'extract') {
      const now = Date.now()
      const { files, totalFiles, bytes, totalBytes } = event
      if (now - last < PROGRESS_MS && bytes < totalBytes) return
      last = now
      answer({ kind: 'progress', files, totalFiles, bytes, totalBytes })
    }
  }
}

/** With 1,000 nodes, the head gets as many lines in this time. */
const PROGRESS_MS = 1000

function failureOf(error: unknown): Extract<Answer, { kind: 'failed' }>['error'] {
  if (!(error instanceof StageError))
    return { code: 'BUG', message: error instanceof Error ? String(error.stack) : String(error) }
  const { code, message, hint, lines } = error
  return { code, message, ...(hint !== undefined && { hint }), ...(lines.length > 0 && { lines: [...lines] }) }
}
