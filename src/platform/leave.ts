/** After so long nothing that the program still does is of use to anybody. */
const LEAVE_MS = 500

/**
 * Ends the process with this code, even if threads of its wait for a file server that does not answer. `process.exit` would wait
 * for them; becoming another program ends them.
 */
export function leave(code: number): void {
  process.exitCode = code
  setTimeout(() => {
    if (typeof process.execve === 'function') process.execve('/bin/sh', ['sh', '-c', `exit ${code}`], {})
    else process.kill(process.pid, 'SIGKILL') // Node before 22.15
  }, LEAVE_MS).unref()
}
