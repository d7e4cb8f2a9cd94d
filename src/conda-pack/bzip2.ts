import { spawn } from 'node:child_process'
import { StageError } from '../errors.ts'

/** bzip2's own default. */
const DEFAULT_LEVEL = 9

/**
 * Compresses each piece into a bzip2 stream of its own, several at once, and gives them in order. One behind another, the
 * streams decompress to the whole. conda-pack's threads do the same.
 * @param options.level 0 to 9; bzip2 has no level 0, so it means 1
 * @throws StageError NO_PROGRAM, CANCELLED
 */
export async function* bzip2Streams(
  pieces: AsyncIterable<Buffer>,
  { level = DEFAULT_LEVEL, threads, signal }: { level?: number; threads: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Buffer> {
  const streams: Promise<Buffer>[] = []
  for await (const piece of pieces) {
    const stream = bzip2(piece, Math.max(1, level), signal)
    // A failure surfaces when the stream's turn comes; until then it must not count as unhandled.
    stream.catch(() => {})
    streams.push(stream)
    if (streams.length >= threads) yield await streams.shift()!
  }
  for (const stream of streams) yield await stream
}

function bzip2(data: Buffer, level: number, signal: AbortSignal | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('bzip2', [`-${level}`, '-c'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      ...(signal && { signal }),
    })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.on('error', (error) => reject(signal?.aborted ? cancelled(error) : programFailed('bzip2', error)))
    child.on('close', (code, stoppedBy) => {
      if (code === 0) resolve(Buffer.concat(parts))
      else reject(new Error(`bzip2 ended with ${code ?? stoppedBy}`))
    })
    // Whatever closes this pipe also ends the program, which is reported above.
    child.stdin.on('error', () => {})
    child.stdin.end(data)
  })
}

const cancelled = (cause: unknown): StageError => new StageError('CANCELLED', 'Packing was cancelled', { cause })

/** What it means that a program could not be started. */
export function programFailed(name: string, cause: NodeJS.ErrnoException): Error {
  if (cause.code !== 'ENOENT') return cause
  return new StageError('NO_PROGRAM', `${name} is not on PATH`, {
    hint: `Install ${name}, or use an archive in another format: tar.zst, tar.gz, tar or zip.`,
    cause,
  })
}
