/** `timeout` and schedulers signal the process and then its group. On a busy machine the second signal may arrive late. */
const SAME_SIGNAL_MS = 2000

/**
 * Returns an AbortSignal that aborts, with the signal's name as its reason, when the process gets a signal to stop. Whoever is
 * writing something can then remove it first. A second signal some time after the first ends the process at once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  let first = Number.POSITIVE_INFINITY
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const listener = () => {
      if (!controller.signal.aborted) {
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

/** A write beyond the limit of file sizes (ulimit -f) then fails with EFBIG. Otherwise its signal would end the process. */
export function surviveSizeLimit(): void {
  process.on('SIGXFSZ', () => {})
}
