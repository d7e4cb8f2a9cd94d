/** Milliseconds by a clock that nobody sets. Node loads several modules of its own for `performance.now()`. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
