import { mkdirSync, rmSync } from 'node:fs'
import { FRAME_SIZE } from '../archive/format.ts'
import { mayVanish } from '../inventory/list.ts'
import { type FileFacts, isAsRead, lookAt, ONE_REQUEST } from '../inventory/open-file.ts'
import { WarmFolders } from '../inventory/warm-folders.ts'
import { type BytePath, fsPath, parentOf } from '../model/byte-path.ts'
import { copyPath } from '../platform/fd.ts'
import { IN_FLIGHT } from '../platform/in-flight.ts'
import type { Copied, Copies } from '../workers/copied-runs.ts'
import type { CopiesReport } from '../workers/protocol.ts'

interface FileCopiesOptions {
  /** The original. */
  prefix: string
  /** The folder in which the stage is built. */
  root: string
  /** Counts bytes that are to be written. @returns false if nothing more may be written */
  spend(bytes: number): boolean
  onReport(report: CopiesReport): void
}

/**
 * Larger files are read in pieces: nothing could stop a copy that takes long, or show how far it is. With any header, these fit into
 * a frame.
 */
const MOST_BYTES = FRAME_SIZE - 16 * 1024

/** Most requests are left to the listing, which everything waits for. */
const WHILE_LISTING = IN_FLIGHT / 8
/** Some wait for the first look-up in their folder. The pool of threads bounds the requests. */
const AT_ONCE = 2 * IN_FLIGHT

/**
 * Copies files of the original to where they will stand in a stage, while the folders are still being listed. On a slow file
 * system each call is a way to another thread and back, and there are threads enough: so a file takes two calls, a look-up and a
 * copy, instead of the four that reading it takes. What has to be done with its content is done with the copy, by threads that
 * need not wait for it.
 */
export class FileCopies implements Copies {
  readonly #options: FileCopiesOptions
  readonly #folders = new WarmFolders()
  /** Those that were begun and not taken. */
  readonly #copies = new Map<BytePath, Promise<Copied | undefined>>()
  /** Files whose copies are to begin, the next one last. */
  readonly #waiting: BytePath[] = []
  /** Files in `waiting` that somebody could not wait for. */
  readonly #hurried = new Set<BytePath>()
  readonly #underWay = new Set<Promise<unknown>>()
  #atOnce = WHILE_LISTING
  #isStopped = false

  constructor(options: FileCopiesOptions) {
    this.#options = options
  }

  /** Makes a folder that was listed, and begins to copy its files. Its parent comes before it. */
  readonly folder = (path: BytePath, files: readonly BytePath[]): void => {
    const { root, onReport } = this.#options
    try {
      mkdirSync(fsPath(root, path), { mode: 0o700 })
    } catch (failure) {
      onReport({ left: [], digests: [], failure })
    }
    this.#waiting.push(...files)
    this.#beginMore()
  }

  /** All folders are listed. From now on files are copied in the order in which they are packed, so that both go on together. */
  listed(): void {
    this.#atOnce = AT_ONCE
    this.#waiting.sort(descending)
    this.#beginMore()
  }

  async take(path: BytePath): Promise<Copied | undefined> {
    const begun = this.#copies.get(path)
    this.#copies.delete(path)
    if (begun) return await begun
    this.#hurried.add(path)
    return await this.#begin(path)
  }

  discard(path: BytePath): void {
    rmSync(fsPath(this.#options.root, path), { force: true })
  }

  report(report: CopiesReport): void {
    this.#options.onReport(report)
  }

  /** Begins no more copies, and waits for those under way: nothing is written after that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.allSettled(this.#underWay)
  }

  #beginMore(): void {
    while (!this.#isStopped && this.#underWay.size < this.#atOnce && this.#waiting.length > 0) {
      const path = this.#waiting.pop()!
      if (!this.#hurried.delete(path)) this.#copies.set(path, this.#begin(path))
    }
  }

  #begin(path: BytePath): Promise<Copied | undefined> {
    const copy = this.#look(path).finally(() => {
      this.#underWay.delete(copy)
      this.#beginMore()
    })
    // Whoever comes to this file gets the failure; until then it must not count as unhandled.
    copy.catch(() => {})
    this.#underWay.add(copy)
    return copy
  }

  async #look(path: BytePath): Promise<Copied | undefined> {
    const { prefix } = this.#options
    const looking = <T>(look: () => Promise<T>) => this.#folders.into(parentOf(path), look)
    const facts = await lookAt({ prefix, path }, looking).catch((error: unknown) => {
      if (!mayVanish(path, error)) throw error
    })
    if (facts === undefined) return undefined
    return { facts, isThere: facts.size <= MOST_BYTES && (await this.#copy(path, facts)) }
  }

  /** Whether the copy is there. If not, reading the file, or writing it, will say what is wrong. */
  async #copy(path: BytePath, facts: FileFacts): Promise<boolean> {
    const { prefix, root, spend } = this.#options
    if (!spend(facts.size)) return false
    const isCopied = await copyPath(fsPath(prefix, path), fsPath(root, path)).then(
      () => facts.size <= ONE_REQUEST || isAsRead({ prefix, path }, facts),
      () => false,
    )
    if (!isCopied) this.discard(path)
    return isCopied
  }
}

const descending = (a: BytePath, b: BytePath): number => (a < b ? 1 : a > b ? -1 : 0)
