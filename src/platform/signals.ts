/** `timeout` and schedulers send a signal to the process and again to its group; on a busy machine we may see the second late. */
const SAME_SIGNAL_MS = 2000

/**
 * A signal that is aborted, with the name as its reason, when we are told to stop: whoever writes something can then
 * take it away first. A second one, not at once after the first, ends the process without that.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  let first = Number.POSITIVE_INFINITY
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Stays for the second signal: proper-lockfile ends the process where it finds itself the only listener.
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
