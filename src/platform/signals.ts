/** `timeout` and schedulers signal the process and then its group. On a busy machine the second signal may arrive late. */
const SAME_SIGNAL_MS = 2000

/** The last one comes from Ctrl-\. */
const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
type Stop = (typeof STOPS)[number]

/**
 * Returns an AbortSignal that aborts, with the signal's name as its reason, when the process gets a signal to stop. Whoever is
 * writing something can then remove it first. A second signal some time after the first ends the process at once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  let first = Number.POSITIVE_INFINITY
  for (const name of STOPS) {
    const listener = () => {
      if (diverted) diverted(name)
      else if (!controller.signal.aborted) {
        first = Date.now()
        controller.abort(name)
      } else if (Date.now() - first > SAME_SIGNAL_MS) {
        process.removeListener(name, listener)
        process.kill(process.pid, name)
      }
    }
    process.on(name, listener)
  }
  return controller.signal
}

let diverted: ((name: Stop) => void) | undefined

/** On a busy machine, the end of a command may become known before the signal that has ended it. */
const LATE_MS = 500

/**
 * Has somebody else told of the signals while a command of the user's runs: they are for the command, and we go on when it has ended.
 * @param body answers whether a signal has ended the command
 */
export async function divertSignals(to: (name: Stop) => void, body: () => Promise<boolean>): Promise<void> {
  diverted = to
  try {
    if (await body()) await new Promise((resolve) => setTimeout(resolve, LATE_MS))
  } finally {
    diverted = undefined
  }
}

/** How often it is looked whether somebody is still there, in milliseconds. */
const LOOK_MS = 500

/**
 * Has this process stop, as by SIGTERM, when another one has ended that waits for it: whoever ends a shell by a signal does not
 * end what it has started.
 */
export function stopAfter(isThere: () => boolean): void {
  const timer = setInterval(() => {
    if (isThere()) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, LOOK_MS).unref()
}

/** A write beyond the limit of file sizes (ulimit -f) then fails with EFBIG. Otherwise its signal would end the process. */
export function surviveSizeLimit(): void {
  process.on('SIGXFSZ', () => {})
}
