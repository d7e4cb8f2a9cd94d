import { spawn } from 'node:child_process'
import type { ImageMaker } from '../archive/write/image-members.ts'
import { StageError } from '../errors.ts'
import type { Variables } from '../platform/job.ts'

/** What to do if a program fails. */
export const OTHER_PROGRAM =
  'Try another program with CONDA_STAGE_MKSQUASHFS=PATH (tar2sqfs or mksquashfs), or pack a tar.zst.'

/** The last words of a program that say why it failed. */
const LAST_WORDS = 4000

/** @param path the image, for messages */
interface Run {
  path: string
  env: Variables
  signal?: AbortSignal | undefined
}

/**
 * Starts a program that reads its standard input.
 * @throws StageError (from each method) IMAGE_FAILED, NO_SPACE, CANCELLED
 */
export function feed(program: string, args: readonly string[], { path, env, signal }: Run): ImageMaker {
  // Its messages are read: they must not depend on the language.
  const child = spawn(program, args, { env: { ...env, LC_ALL: 'C' }, stdio: ['pipe', 'ignore', 'pipe'] })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS)
  })
  const stop = () => void child.kill('SIGKILL')
  signal?.addEventListener('abort', stop, { once: true })
  const ended = new Promise<StageError | undefined>((resolve) => {
    child.on('error', (cause) => resolve(failed(program, path, cause.message)))
    child.on('close', (code, stoppedBy) => {
      signal?.removeEventListener('abort', stop)
      if (signal?.aborted)
        resolve(new StageError('CANCELLED', `Packing into ${path} was cancelled`, { path, cause: signal.reason }))
      else resolve(code === 0 ? undefined : failed(program, path, words.trim() || `it ended with ${code ?? stoppedBy}`))
    })
  })
  if (signal?.aborted) stop()
  // Whatever closes the pipe also ends the program, which is reported.
  child.stdin.on('error', () => {})
  const finish = async (): Promise<void> => {
    const failure = await ended
    if (failure !== undefined) throw failure
  }
  return {
    write: (data) =>
      new Promise((resolve, reject) => {
        child.stdin.write(data, (error) => {
          if (!error) resolve()
          else finish().then(() => reject(failed(program, path, 'it did not read to the end')), reject)
        })
      }),
    async finish() {
      child.stdin.end()
      await finish()
    },
    async settle() {
      if (child.exitCode === null && child.signalCode === null) stop()
      await ended
    },
  }
}

/** Runs a program that reads nothing, to its end. */
export async function run(program: string, args: readonly string[], options: Run): Promise<void> {
  await feed(program, args, options).finish()
}

/** What the program says about itself: the standard output and error of `PROGRAM ARGUMENT`. */
export function saidBy(program: string, argument: string, env: Variables): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, [argument], { env: { ...env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    child.on('error', () => resolve(''))
    child.on('close', () => resolve(said))
  })
}

function failed(program: string, path: string, why: string): StageError {
  const lines = why.split('\n')
  const ofRoom = lines.find((line) => /No space left on device|Disk quota exceeded/i.test(line))
  if (ofRoom !== undefined) {
    return new StageError('NO_SPACE', `The archive ${path} can't be written: ${ofRoom}`, {
      path,
      hint: 'Make room there, or name another place with --output=FILE',
    })
  }
  return new StageError('IMAGE_FAILED', `${program} could not make the image ${path}: ${lines.at(-1)}`, {
    path,
    hint: OTHER_PROGRAM,
  })
}
