import { constants, existsSync, fstatSync, lstatSync, openSync, readlinkSync, type Stats } from 'node:fs'
import { type BytePath, bytesOf, isAscii } from '../model/byte-path.ts'
import { closeReadSync } from './close.ts'

/** Linux: a descriptor that only names a file. It needs no permission to read, and never blocks. */
const O_PATH = 0o10000000
const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW

let hasProc: boolean | undefined

/**
 * A folder that stays the same one, whatever happens to its name: Node has no openat(), but through /proc a descriptor leads
 * into its folder. Without /proc it is the path that leads there.
 */
export class HeldFolder {
  readonly facts: Stats
  readonly #path: string | Buffer
  readonly #fd: number | undefined

  /** @throws as open(2): ENOTDIR if it is a symbolic link or anything else that is no folder */
  constructor(path: string | Buffer) {
    hasProc ??= existsSync('/proc/self/fd')
    if (hasProc) {
      this.#fd = openSync(path, FLAGS)
      this.#path = `/proc/self/fd/${this.#fd}`
      this.facts = fstatSync(this.#fd)
    } else {
      this.#path = path
      this.facts = lstatSync(path)
      if (!this.facts.isDirectory()) throw Object.assign(new Error('ENOTDIR'), { code: 'ENOTDIR' })
    }
  }

  /** A path that leads to the folder itself; lstat takes it for one. */
  get path(): string | Buffer {
    return this.within('.')
  }

  /** @param below path below the folder */
  within(below: BytePath): string | Buffer {
    // Nearly all paths are ASCII, and a Buffer for each costs more than the call.
    if (typeof this.#path === 'string' && isAscii(below)) return `${this.#path}/${below}`
    return Buffer.concat([Buffer.from(this.#path), Buffer.from('/'), bytesOf(below)])
  }

  /** Where it is now, with symbolic links resolved; undefined if the system does not tell. */
  whereabouts(): BytePath | undefined {
    try {
      return this.#fd === undefined ? undefined : readlinkSync(this.#path, 'latin1')
    } catch {
      return undefined // longer than a path may be
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeReadSync(this.#fd)
  }
}
