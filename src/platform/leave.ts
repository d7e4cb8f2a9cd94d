/** A program that stays when this one has ended. */
export interface Successor {
  argv: readonly [string, ...string[]]
  env: Readonly<Record<string, string | undefined>>
}

const successors: Successor[] = []

/** Has a program started when this one ends, in a session of its own and without our descriptors. If it can't be, nobody is told. */
export const startAtEnd = (successor: Successor): void => void successors.push(successor)

/** After so long nothing that the program still does is of use to anybody. */
const LEAVE_MS = 500

/**
 * Ends the process with this code, even if threads of its wait for a file server that does not answer. `process.exit` would wait
 * for them; becoming another program ends them. Who has succeeded becomes one at once: Node takes 12 ms to end its threads and to
 * give back its memory, and 8 to load what starts a process, and a shell 2 in all. After a failure, something may still be tidied up.
 */
export async function leave(code: number): Promise<void> {
  process.exitCode = code
  const last = successors.pop()
  if (successors.length > 0) await spawnAll(successors)
  if (code === 0) become(code, last)
  if (last) await spawnAll([last])
  setTimeout(() => {
    become(code)
    process.kill(process.pid, 'SIGKILL') // Node before 22.15
  }, LEAVE_MS).unref()
}

/**
 * $1 is the exit status; behind it stands what to start, if anything. The session may wait for the end of any descriptor that it
 * gave us. `setsid` keeps from the successor what is sent to all of the session's processes, and until it has run, they are ignored:
 * a terminal that closes behind a short script would end the successor before it begins.
 */
const LAST = `status=$1
shift
cd /
if [ $# -gt 0 ]; then
  trap '' HUP INT QUIT TERM
  ! command -v setsid > /dev/null || set -- setsid "$@"
  "$@" < /dev/null > /dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
fi
exit "$status"`

const NONE = { argv: [], env: {} }

/** Does not return, unless that is not possible. */
function become(code: number, { argv, env }: Pick<Successor, 'env'> & { argv: readonly string[] } = NONE): void {
  try {
    // dash says on standard error if it can't find out where it is: an unstage may have removed the current folder.
    process.chdir('/')
    process.execve?.('/bin/sh', ['sh', '-c', LAST, 'sh', String(code), ...argv], plain(env))
  } catch {
    // No memory for another program, for instance: Node ends in its own time.
  }
}

/** Functions and options that bash, where it is sh, would take from the environment: a function of the session's could be named cd. */
const plain = (env: Successor['env']): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^BASH_FUNC_|^SHELLOPTS$|^BASHOPTS$/.test(name)))

async function spawnAll(all: readonly Successor[]): Promise<void> {
  const { spawn } = await import('node:child_process')
  for (const { argv, env } of all)
    spawn(argv[0], argv.slice(1), { cwd: '/', detached: true, stdio: 'ignore', env: { ...env } })
      .on('error', () => {})
      .unref()
}
