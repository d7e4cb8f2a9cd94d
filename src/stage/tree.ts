import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import type { ArchivedEntry } from '../model/archive-index.ts'
import { type BytePath, bytesOf, fsPath } from '../model/byte-path.ts'
import type { SymlinkEntry } from '../model/entry.ts'
import type { Relocation } from '../model/relocation.ts'
import { accessTime, asTime, utimesSeconds } from '../model/times.ts'
import { errnoOf } from '../platform/errno.ts'

/** A file that spans several frames. Workers have written its pieces. */
export interface LargeFile {
  path: BytePath
  mode: number
  /** Seconds since 1970, for utimes. */
  mtime: number
  relocation?: Relocation
}

// Everything in a tree but the content of files. Synchronous: on local disk each call takes microseconds, and a promise for
// each would take longer.

/** Makes the folders in order of path, each after its parent. They stay writable for us until `finishDirectories`. */
export function makeDirectories(root: string, entries: readonly { type: string; path: BytePath }[]): void {
  for (const { type, path } of entries) if (type === 'directory') mkdirSync(fsPath(root, path), { mode: 0o700 })
}

/** Files of their full size, all of it a hole, for several workers to write into. */
export function makeLargeFiles(root: string, files: readonly { path: BytePath; size: number }[]): void {
  for (const { path, size } of files) {
    const fd = openSync(fsPath(root, path), 'wx', 0o600)
    try {
      ftruncateSync(fd, size)
    } finally {
      closeSync(fd)
    }
  }
}

export function makeSymlinks(
  root: string,
  entries: readonly ArchivedEntry[],
  relocate: (link: SymlinkEntry) => BytePath,
): void {
  for (const entry of entries) {
    if (entry.type !== 'symlink') continue
    const path = fsPath(root, entry.path)
    symlinkSync(bytesOf(relocate(entry)), path)
    lutimesSync(path, accessTime(), asTime(utimesSeconds(entry.mtimeNs)))
  }
}

/** To be called when the files are there. A disk without hard links, or with few, gets further files instead. */
export function makeHardlinks(root: string, entries: readonly ArchivedEntry[]): void {
  for (const entry of entries) {
    if (entry.type !== 'hardlink') continue
    const [target, path] = [fsPath(root, entry.target), fsPath(root, entry.path)]
    try {
      linkSync(target, path)
    } catch (error) {
      if (!NO_LINK.has(errnoOf(error) ?? '')) throw error
      copyFileSync(target, path, constants.COPYFILE_EXCL)
      utimesSync(path, accessTime(), asTime(utimesSeconds(entry.mtimeNs)))
    }
  }
}

const NO_LINK: ReadonlySet<string> = new Set(['EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EXDEV'])

export function finishLargeFile(root: string, { path, mode, mtime }: { path: BytePath; mode: number; mtime: number }) {
  const name = fsPath(root, path)
  utimesSync(name, accessTime(), asTime(mtime))
  chmodSync(name, mode)
}

/** Comes last and goes from the bottom up: making something in a folder changes its mtime, and its mode may forbid that. */
export function finishDirectories(
  root: string,
  entries: readonly ArchivedEntry[],
  modeOf: (mode: number) => number,
): void {
  for (const { type, path, mode, mtimeNs } of entries.toReversed()) {
    if (type !== 'directory') continue
    const name = fsPath(root, path)
    utimesSync(name, accessTime(), asTime(utimesSeconds(mtimeNs)))
    chmodSync(name, modeOf(mode))
  }
}
