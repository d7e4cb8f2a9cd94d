import { chmodSync, closeSync, linkSync, lutimesSync, mkdirSync, openSync, symlinkSync, utimesSync } from 'node:fs'
import type { ArchivedEntry } from '../model/archive-index.ts'
import { type BytePath, bytesOf, fsPath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'
import { asTime, utimesSeconds } from '../model/times.ts'

/** A file that goes over several frames, of which workers have written the pieces. */
export interface LargeFile {
  path: BytePath
  mode: number
  /** Seconds, as utimes takes them. */
  mtime: number
  relocation?: Relocation
}

/**
 * What of a tree is not the content of files. Synchronous, since each call takes microseconds on local disk and a
 * promise for each would take longer.
 */

/** In order of path, so that each folder's parent is there; writable for us until `finishDirectories`. */
export function makeDirectories(root: string, entries: readonly { type: string; path: BytePath }[]): void {
  for (const { type, path } of entries) if (type === 'directory') mkdirSync(fsPath(root, path), { mode: 0o700 })
}

/** Empty files for several workers to write into. */
export function makeLargeFiles(root: string, paths: readonly BytePath[]): void {
  for (const path of paths) closeSync(openSync(fsPath(root, path), 'wx', 0o600))
}

export function makeSymlinks(
  root: string,
  entries: readonly ArchivedEntry[],
  relocate: (target: BytePath) => BytePath,
): void {
  for (const entry of entries) {
    if (entry.type !== 'symlink') continue
    const path = fsPath(root, entry.path)
    const time = asTime(utimesSeconds(entry.mtimeNs))
    symlinkSync(bytesOf(relocate(entry.target)), path)
    lutimesSync(path, time, time)
  }
}

/** Once the files are there. */
export function makeHardlinks(root: string, entries: readonly ArchivedEntry[]): void {
  for (const entry of entries)
    if (entry.type === 'hardlink') linkSync(fsPath(root, entry.target), fsPath(root, entry.path))
}

export function finishLargeFile(root: string, { path, mode, mtime }: { path: BytePath; mode: number; mtime: number }) {
  const name = fsPath(root, path)
  utimesSync(name, asTime(mtime), asTime(mtime))
  chmodSync(name, mode)
}

/** Last of all and from the bottom up: whatever is made in a folder changes its mtime, and may be forbidden by its mode. */
export function finishDirectories(
  root: string,
  entries: readonly ArchivedEntry[],
  stagedMode: (mode: number) => number,
): void {
  for (const { type, path, mode, mtimeNs } of entries.toReversed()) {
    if (type !== 'directory') continue
    const name = fsPath(root, path)
    const time = asTime(utimesSeconds(mtimeNs))
    utimesSync(name, time, time)
    chmodSync(name, stagedMode(mode))
  }
}
