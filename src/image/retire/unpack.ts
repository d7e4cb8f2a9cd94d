import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { decodeFrame, readStored } from '../../archive/reader.ts'
import { END_OF_TAR, padding, tarHeader } from '../../archive/tar.ts'
import { StageError } from '../../errors.ts'
import { throwIfCancelled } from '../../inventory/cancel.ts'
import type { ArchivedFile, ArchiveIndex } from '../../model/archive-index.ts'

interface Source {
  path: string
  handle: FileHandle
  index: ArchiveIndex
}

/**
 * Makes the tree of an archive in an empty folder as it was: nothing is relocated, and every mode and time is kept. The system's
 * `tar` writes it, because Node can set no time to the nanosecond, and none of a symbolic link.
 * @throws StageError RESTORE_FAILED, NO_SPACE, NO_PROGRAM, ARCHIVE_DAMAGED, CANCELLED
 */
export async function unpackInto(folder: string, source: Source, signal: AbortSignal | undefined): Promise<void> {
  const args = [
    '--extract',
    '--file=-',
    '--preserve-permissions',
    '--no-same-owner',
    '--delay-directory-restore',
    '--warning=no-timestamp',
  ]
  const tar = spawn('tar', [...args, `--directory=${folder}`], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let said = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(tar, 'close') as Promise<[number | null]>
  const noInput = new Promise<void>((resolve) => tar.stdin.on('error', () => resolve()).on('close', resolve))
  try {
    await pour(source, tar.stdin, noInput, signal)
  } catch (error) {
    tar.kill('SIGKILL')
    await ended.catch(() => {})
    throw error
  }
  const [status] = await ended.catch((cause: unknown): never => {
    throw new StageError('NO_PROGRAM', 'tar is not on this machine, and --restore needs it', {
      hint: 'Install GNU tar.',
      cause,
    })
  })
  if (status !== 0) throw failed(folder, said)
}

async function pour(
  { path, handle, index }: Source,
  into: Writable,
  noInput: Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const piece of tarOf({ path, handle, index })) {
    throwIfCancelled(signal, path)
    // It says why when it ends.
    if (into.destroyed) return
    if (!into.write(piece)) await Promise.race([once(into, 'drain'), noInput])
  }
  into.end()
}

/** A tar of the entries alone: what the archive has besides, for those who unpack it elsewhere, is no part of the environment. */
async function* tarOf({ path, handle, index }: Source): AsyncGenerator<Buffer> {
  const { entries, frames, format } = index
  for (const entry of entries) if (entry.type === 'directory') yield tarHeader(entry)
  const files = entries.filter((entry) => entry.type === 'file')
  let known: { at: number; content: Buffer } | undefined
  for (const file of files.sort(byPlace)) {
    yield tarHeader(file)
    for (let [left, at, from] = [file.size, file.frame, file.frameOffset]; left > 0; at++, from = 0) {
      if (known?.at !== at) {
        const frame = frames[at]!
        known = { at, content: decodeFrame(await readStored(handle.fd, { path }, frame), { path, format }, frame) }
      }
      const piece = known.content.subarray(from, from + left)
      left -= piece.length
      yield piece
    }
    yield Buffer.alloc(padding(file.size))
  }
  for (const entry of entries) if (entry.type === 'hardlink' || entry.type === 'symlink') yield tarHeader(entry)
  yield END_OF_TAR
}

const byPlace = (a: ArchivedFile, b: ArchivedFile): number => a.frame - b.frame || a.frameOffset - b.frameOffset

function failed(folder: string, said: string): StageError {
  const isFull = /No space left|quota exceeded|Wrote only/i.test(said)
  const [first = 'tar failed'] = said.trim().split('\n')
  return new StageError(isFull ? 'NO_SPACE' : 'RESTORE_FAILED', `${folder} can't be written: ${first}`, {
    path: folder,
    hint: isFull
      ? 'Make room there (files and bytes), then try again. The archive is as it was.'
      : 'The archive is as it was.',
  })
}
