import { chmodSync, closeSync, constants, fchmodSync, fstatSync, ftruncateSync, futimesSync, openSync } from 'node:fs'
import { type BytePath, fsPath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'
import { accessTime, asTime } from '../model/times.ts'
import { readFromSync } from '../platform/fd.ts'
import { hasHole, writeSparse } from '../platform/write-sparse.ts'
import type { CopiedFiles, CopiesReport, Target } from './protocol.ts'
import { Relocator } from './relocator.ts'

interface Copy {
  path: BytePath
  /** Of the staged file. */
  mode: number
  /** Seconds, as utimes takes them. */
  mtime: number
  /** Of the original. It is only read. */
  content: Buffer
  relocation: Relocation | undefined
}

/** Reads plain copies of the original's files in a stage, and makes them what the stage needs: relocated, with mode and time. */
export class CopyFinisher {
  #failure: unknown
  readonly #target: Target
  readonly #relocator: Relocator

  constructor({ target }: CopiedFiles) {
    this.#target = target
    this.#relocator = new Relocator(target, { mayEdit: false })
  }

  get report(): CopiesReport {
    return { ...this.#relocator.report, ...(this.#failure !== undefined && { failure: this.#failure }) }
  }

  /** Opens a copy, reads it and makes it what the stage needs. @returns false if it can't be read, or is not as long as the original */
  withCopy(path: BytePath, content: Buffer, look: () => Omit<Copy, 'path' | 'content'>): boolean {
    const fd = this.#open(path)
    if (fd === undefined) return false
    try {
      if (!isRead(fd, content)) return false
      const wanted = look()
      try {
        this.#finish(fd, { path, content, ...wanted })
      } catch (error) {
        this.#failure ??= error
      }
      return true
    } finally {
      closeSync(fd)
    }
  }

  /** A copy has the original's mode. That may keep its owner out, who is somebody else. */
  #open(path: BytePath): number | undefined {
    const name = fsPath(this.#target.root, path)
    const open = () => attempt(() => openSync(name, constants.O_RDONLY | constants.O_NOFOLLOW))
    const fd = open()
    if (fd !== undefined || attempt(() => chmodSync(name, 0o600) ?? true) === undefined) return fd
    return open()
  }

  #finish(fd: number, { path, mode, mtime, content, relocation }: Copy): void {
    const size = content.length
    const whole = { path, contentOffset: 0, length: size, fileSize: size }
    const relocated = this.#relocator.relocate(
      content,
      whole,
      relocation && { key: relocation, read: () => relocation },
    )
    if (relocated !== content || hasHole(content)) this.#rewrite(fd, path, relocated)
    fchmodSync(fd, mode)
    futimesSync(fd, accessTime(), asTime(mtime))
  }

  #rewrite(readFd: number, path: BytePath, content: Buffer): void {
    fchmodSync(readFd, 0o600)
    const fd = openSync(fsPath(this.#target.root, path), constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      if (writeSparse(fd, content, 0)) ftruncateSync(fd, content.length)
    } finally {
      closeSync(fd)
    }
  }
}

function attempt<T>(body: () => T): T | undefined {
  try {
    return body()
  } catch {
    return undefined
  }
}

/** Whether the file could be read, and has as many bytes. */
function isRead(fd: number, content: Buffer): boolean {
  let done = 0
  const read = () => attempt(() => readFromSync(fd, content, done, done)) || 0
  for (let more = -1; done < content.length && more !== 0; done += more) more = read()
  return done === content.length && attempt(() => fstatSync(fd).size) === done
}
