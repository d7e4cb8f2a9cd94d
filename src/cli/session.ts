import { access } from 'node:fs'
import { type CallingShell, readCall } from '../activate/call.ts'
import { packageRoot } from '../platform/program.ts'

/** Everything the program takes from its surroundings, read once at the start and passed on as a value. */
export interface Session {
  /** Arguments behind the program's name. */
  args: string[]
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  uid: number
  /** Process that called us: the shell, since the launcher replaces itself by Node. */
  parentPid: number
  stderr: NodeJS.WriteStream
  /** `bin/conda-stage`, which starts this program. */
  launcher: string
  /** The shell function that called us. */
  shell: CallingShell | undefined
}

/** @param process of this program, whose environment is rid of what is meant for Node alone */
export function captureSession(process: NodeJS.Process): Session {
  const { env, shell } = readCall(process.env)
  // libuv reads the size of its pool when that gets its first work, which must be before the variable goes: it is not for
  // programs that we start.
  access('/', () => {})
  delete process.env.UV_THREADPOOL_SIZE
  return {
    args: process.argv.slice(2),
    env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? 0,
    parentPid: process.ppid,
    stderr: process.stderr,
    launcher: `${packageRoot()}/bin/conda-stage`,
    shell,
  }
}
