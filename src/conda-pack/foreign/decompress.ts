import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { Malformed } from '../../archive/read/malformed.ts'
import { programFailed } from '../bzip2.ts'
import { wholeZstdFrames } from './zstd-frames.ts'

/** How a tar is compressed. */
export type Compression = 'tar' | 'tar.gz' | 'tar.zst' | 'tar.bz2' | 'tar.xz'

/**
 * Gives the bytes of a file, decompressed. What stands behind the compressed data counts as a mistake, although the libraries and
 * programs pass over it. The handle stays open.
 * @throws Malformed for rubbish at the end; what the libraries and programs throw
 */
export function decompressed(handle: FileHandle, compression: Compression): AsyncGenerator<Buffer> {
  const bytes = bytesOfFile(handle)
  switch (compression) {
    case 'tar':
      return bytes
    case 'tar.gz':
      return gunzipped(handle, bytes)
    case 'tar.zst':
      return through(createZstdDecompress(), wholeZstdFrames(bytes))
    case 'tar.bz2':
      return throughProgram('bzip2', bytes)
    case 'tar.xz':
      return throughProgram('xz', bytes)
  }
}

/** Node's own stream would close the file. */
async function* bytesOfFile(handle: FileHandle, from = 0): AsyncGenerator<Buffer> {
  for (let position = from; ; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(1024 * 1024), 0, 1024 * 1024, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

async function* through(stream: Transform, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // If the source fails, so does the stream, with the same error.
  const flow = pipeline(source, stream)
  flow.catch(() => {})
  try {
    yield* stream
  } finally {
    stream.destroy()
    await flow.catch(() => {})
  }
}

/** gzip passes over zeros behind the last member, which tapes need, and zlib over much else. */
async function* gunzipped(handle: FileHandle, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = createGunzip()
  yield* through(stream, bytes)
  for await (const rest of bytesOfFile(handle, stream.bytesWritten))
    if (rest.some((byte) => byte !== 0)) throw new Malformed('something follows its end')
}

async function* throughProgram(program: string, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const child = spawn(program, ['-dc'], { stdio: 'pipe' })
  const ended = once(child, 'close').catch((error) => Promise.reject(programFailed(program, error)))
  ended.catch(() => {})
  let words = ''
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    words = `${words}${text}`.slice(0, 1000)
  })
  // Whatever closes this pipe also ends the program.
  pipeline(source, child.stdin).catch(() => {})
  try {
    yield* child.stdout
    const [code, stoppedBy] = await ended
    if (code !== 0) throw new Error(`${program} ended with ${code ?? stoppedBy}`)
    // bzip2 says so, and succeeds.
    if (words.includes('trailing garbage')) throw new Malformed('something follows its end')
  } finally {
    child.kill()
  }
}
