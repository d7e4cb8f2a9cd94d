import { closeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

// A file server may refuse even this (FUSE asks it at each close). Of a file that was only read, everything is here by then.

export const closeRead = (handle: Pick<FileHandle, 'close'>): Promise<void> => handle.close().catch(() => {})

export function closeReadSync(fd: number): void {
  try {
    closeSync(fd)
  } catch {}
}
