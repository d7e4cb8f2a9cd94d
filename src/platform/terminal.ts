import { isatty } from 'node:tty'

/** Whether somebody can be asked: standard input and standard error are a terminal. */
export const isInteractive = (): boolean => isatty(0) && isatty(2)

/**
 * Reads one line from the terminal; empty at its end (Ctrl-D).
 * @throws the signal's reason if it is aborted meanwhile
 */
export async function readLine(signal: AbortSignal): Promise<string> {
  const { stdin } = process
  try {
    return await new Promise<string>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      stdin
        .setEncoding('utf8')
        .once('data', (line) => resolve(String(line)))
        .once('end', () => resolve(''))
    })
  } finally {
    // Else it would keep the process alive.
    stdin.pause()
  }
}
