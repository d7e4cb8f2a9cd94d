import { type BigIntStats, close, constants, copyFile, fstat, lstat, open, read, readSync } from 'node:fs'
import { type Awaited, answerTo, awaitedPath } from './waiting.ts'

// Promises over plain descriptors, known as calls that wait: for small files, a FileHandle costs more than twice the CPU time.

/**
 * For reading whatever stands at a path. Opening a FIFO waits for a writer without O_NONBLOCK; regular files don't know that flag.
 * A terminal must not become ours. Whoever opens so looks at the type of what is open before anything is read.
 */
export const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

type Settle<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void

const answer = <T>(awaited: Awaited, call: Settle<T>): Promise<T> => answerTo(() => new Promise<T>(call), awaited)

export const openFile = (path: string | Buffer, flags: number, kind: Omit<Awaited, 'path'> = {}): Promise<number> =>
  answer({ ...kind, path: () => awaitedPath(path) }, (resolve, reject) => {
    open(path, flags, (error, fd) => (error ? reject(error) : resolve(fd)))
  })

/**
 * Fills `into` from `offset` on, with what begins at `position` of the file; null: where the last read ended.
 * @returns how many bytes; 0 at the end of the file
 */
export const readFrom = (
  fd: number,
  into: Buffer,
  offset: number,
  position: number | null,
  awaited: Awaited,
): Promise<number> =>
  answer(awaited, (resolve, reject) => {
    const attempt = (): void =>
      read(fd, into, offset, into.length - offset, position, (error, bytes) => {
        if (!error) resolve(bytes)
        else if (isInterrupted(error)) attempt()
        else reject(error)
      })
    attempt()
  })

/** A signal came while a file server was asked: libuv repeats other calls by itself. */
const isInterrupted = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EINTR'

/** As `readFrom`, without a thread. */
export function readFromSync(fd: number, into: Buffer, offset: number, position: number): number {
  for (;;) {
    try {
      return readSync(fd, into, offset, into.length - offset, position)
    } catch (error) {
      if (!isInterrupted(error)) throw error
    }
  }
}

export const statFile = (fd: number, awaited: Awaited): Promise<BigIntStats> =>
  answer(awaited, (resolve, reject) => {
    fstat(fd, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)))
  })

/** Of a file that was only read. Never fails, as in close.ts. */
export const closeFile = (fd: number, awaited: Awaited): Promise<void> =>
  answer<void>(awaited, (resolve) => {
    close(fd, () => resolve())
  }).catch(() => {})

/**
 * Makes a new file with the content and the mode of another one, in one call: of all that the pool can be asked for, this alone opens,
 * reads, writes and closes.
 */
export const copyPath = (from: Buffer, to: Buffer): Promise<void> =>
  answer({ path: () => awaitedPath(from), isWork: true }, (resolve, reject) => {
    copyFile(from, to, constants.COPYFILE_EXCL, (error) => (error ? reject(error) : resolve()))
  })

export const lstatPath = (path: Buffer): Promise<BigIntStats> =>
  answer({ path: () => awaitedPath(path), isWork: true }, (resolve, reject) => {
    lstat(path, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)))
  })
