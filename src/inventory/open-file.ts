import { type BigIntStats, constants, fstatSync, openSync } from 'node:fs'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { closeReadSync } from '../platform/close.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { closeFile, lstatPath, openFile, READ_ONLY, readFrom, readFromSync, statFile } from '../platform/fd.ts'
import type { Pace } from '../platform/pace.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import type { Awaited } from '../platform/waiting.ts'
import { settled, settleTime } from './settle.ts'

/**
 * The most that one request to a file server brings, nearly everywhere. A file up to this size is read as it was at one
 * moment. A larger one could be written to between two requests, so its facts are compared once more after reading.
 */
export const ONE_REQUEST = 128 * 1024

/** A link that has taken the file's place must not be followed. */
const FLAGS = READ_ONLY | constants.O_NOFOLLOW

/** Facts of an open file. They cost no look-up: the kernel has just fetched them. */
export interface FileFacts {
  size: number
  /** Permission bits. */
  mode: number
  mtimeNs: bigint
  /** Set if the file has further names, inside the environment or outside (conda's package cache). */
  inode?: string
}

/** A file that was read whole. */
export interface WholeFile {
  facts: FileFacts
  /** Goes back to the slabs that it is from. */
  content: Buffer
}

/** The path of a file in an environment. */
export interface Where {
  prefix: string
  path: BytePath
}

const shown = ({ prefix, path }: Where): string => `${prefix}/${displayPath(path)}`

/** How calls that may wait for the file system are made. */
export interface Calls {
  /** Makes the call that looks the path up. */
  opening(open: () => Promise<number>): Promise<number>
  /** Of calls on open files: nearly everywhere the kernel answers them by itself, and a thread for each costs more. */
  pace: Pace
}

type Waiting = Pick<Calls, 'pace'> & { awaited: Awaited }

/** A file that is open for reading, by calls that wait in other threads. */
export class OpenFile {
  /** From a moment after which any change must show as another mtime. */
  readonly facts: FileFacts
  readonly #fd: number
  readonly #where: Where
  readonly #awaited: Awaited
  readonly #pace: Pace

  private constructor(fd: number, facts: FileFacts, where: Where, { awaited, pace }: Waiting) {
    this.#fd = fd
    this.facts = facts
    this.#where = where
    this.#awaited = awaited
    this.#pace = pace
  }

  get path(): BytePath {
    return this.#where.path
  }

  /** @throws StageError UNREADABLE, CHANGED */
  static async open(where: Where, { opening, pace }: Calls): Promise<OpenFile> {
    const waiting: Waiting = { awaited: { path: () => shown(where), isWork: true }, pace }
    let fd: number | undefined
    try {
      const opened = await opening(() => openFile(fsPath(where.prefix, where.path), FLAGS, { isWork: true }))
      fd = opened
      return new OpenFile(fd, await settledFacts(where, () => statOpen(opened, waiting)), where, waiting)
    } catch (error) {
      if (fd !== undefined) await close(fd, waiting)
      throw openError(where, error)
    }
  }

  /**
   * Reads all of the file.
   * @param content of the file's size
   * @throws StageError UNREADABLE, CHANGED
   */
  async readInto(content: Buffer): Promise<void> {
    await this.readPiece(content, 0)
    if (content.length > ONE_REQUEST) await this.assertUnchanged()
  }

  /**
   * Fills the piece with what begins at this position of the file.
   * @throws StageError UNREADABLE, CHANGED
   */
  async readPiece(piece: Buffer, position: number): Promise<void> {
    try {
      for (let filled = 0; filled < piece.length; ) {
        const bytesRead = await readFrom(this.#fd, piece, filled, position + filled, this.#awaited)
        if (bytesRead === 0) throw changed(this.#where)
        filled += bytesRead
      }
    } catch (error) {
      throw readError(this.#where, error)
    }
  }

  /** @throws StageError UNREADABLE, CHANGED if the file was written to since it was opened */
  async assertUnchanged(): Promise<void> {
    try {
      if (differs(factsOf(await statFile(this.#fd, this.#awaited), this.#where), this.facts)) throw changed(this.#where)
    } catch (error) {
      throw readError(this.#where, error)
    }
  }

  close(): Promise<void> {
    return close(this.#fd, { awaited: this.#awaited, pace: this.#pace })
  }
}

/**
 * The same without a thread for each call: a fifth of the CPU time if the calls take microseconds, as from the page cache.
 */
export class OpenFileSync {
  readonly facts: FileFacts
  /** False if a change from now on could leave the mtime as it is: `OpenFile` waits until it could not. */
  readonly isSettled: boolean
  readonly #fd: number
  readonly #where: Where

  private constructor(fd: number, facts: FileFacts, where: Where) {
    this.#fd = fd
    this.facts = facts
    this.isSettled = settleTime(facts.mtimeNs, Date.now()) === 0
    this.#where = where
  }

  /** @throws StageError UNREADABLE, CHANGED */
  static open(where: Where): OpenFileSync {
    let fd: number | undefined
    try {
      fd = openSync(fsPath(where.prefix, where.path), FLAGS)
      return new OpenFileSync(fd, factsOf(fstatSync(fd, { bigint: true }), where), where)
    } catch (error) {
      if (fd !== undefined) closeReadSync(fd)
      throw openError(where, error)
    }
  }

  /**
   * Reads all of the file.
   * @param content of the file's size
   * @throws StageError UNREADABLE, CHANGED
   */
  readInto(content: Buffer): void {
    try {
      for (let filled = 0; filled < content.length; ) {
        const bytesRead = readFromSync(this.#fd, content, filled, filled)
        if (bytesRead === 0) throw changed(this.#where)
        filled += bytesRead
      }
      if (
        content.length > ONE_REQUEST &&
        differs(factsOf(fstatSync(this.#fd, { bigint: true }), this.#where), this.facts)
      )
        throw changed(this.#where)
    } catch (error) {
      throw readError(this.#where, error)
    }
  }

  close(): void {
    closeReadSync(this.#fd)
  }
}

/** Whether the path still names the file with these facts. */
export async function isAsRead(where: Where, facts: FileFacts): Promise<boolean> {
  const stats = await lstatPath(fsPath(where.prefix, where.path)).catch(() => undefined)
  if (!stats?.isFile()) return false
  const now = factsOf(stats, where)
  return !differs(now, facts) && now.mode === facts.mode
}

/**
 * The facts of the file at this path, which is not open, as those of an `OpenFile`.
 * @param looking makes the call that looks the path up
 * @throws StageError UNREADABLE, CHANGED
 */
export async function lookAt(
  where: Where,
  looking: (look: () => Promise<BigIntStats>) => Promise<BigIntStats>,
): Promise<FileFacts> {
  try {
    return await settledFacts(where, () => looking(() => lstatPath(fsPath(where.prefix, where.path))))
  } catch (error) {
    throw openError(where, error)
  }
}

const statOpen = async (fd: number, { awaited, pace }: Waiting): Promise<BigIntStats> =>
  pace.isImmediate ? pace.measure(() => fstatSync(fd, { bigint: true })) : await statFile(fd, awaited)

/** The facts of a moment after which any change must show as another mtime. */
async function settledFacts(where: Where, look: () => Promise<BigIntStats>): Promise<FileFacts> {
  for (let before: FileFacts | undefined; ; ) {
    const facts = factsOf(await look(), where)
    // If the wait changed nothing, one wait is enough: an mtime ahead of our clock would never settle.
    if (settleTime(facts.mtimeNs, Date.now()) === 0 || (before && !differs(facts, before))) return facts
    before = facts
    await settled(facts.mtimeNs)
  }
}

async function close(fd: number, { awaited, pace }: Waiting): Promise<void> {
  if (pace.isImmediate) pace.measure(() => closeReadSync(fd))
  else await closeFile(fd, awaited)
}

function factsOf(stats: BigIntStats, where: Where): FileFacts {
  if (!stats.isFile()) throw changed(where)
  const facts = { size: Number(stats.size), mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
  return stats.nlink > 1n ? { ...facts, inode: `${stats.dev}:${stats.ino}` } : facts
}

const differs = (a: FileFacts, b: FileFacts): boolean => a.size !== b.size || a.mtimeNs !== b.mtimeNs

function changed(where: Where, cause?: unknown): StageError {
  const path = shown(where)
  const said = errnoOf(cause) === 'ESTALE' ? `: ${meaningOf('ESTALE')}` : ''
  return new StageError('CHANGED', `${path} changed while the environment was being read${said}`, {
    path,
    hint: 'Wait until nothing is being installed into the environment, then try again.',
    cause,
  })
}

/** What the listing found is gone, or something else stands there. */
function openError(where: Where, error: unknown): unknown {
  const isOther = isGone(error) || ['ELOOP', 'ENXIO'].includes(errnoOf(error) ?? '')
  return isOther ? changed(where, error) : unreadable(shown(where), error)
}

/** A file server that has no such file any more says so only now. */
const readError = (where: Where, error: unknown): unknown =>
  errnoOf(error) === 'ESTALE' ? changed(where, error) : unreadable(shown(where), error)
