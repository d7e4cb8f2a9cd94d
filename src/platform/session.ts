import { access, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { type CallingShell, readCall } from '../activate/session.ts'
import { packageRoot } from './program.ts'

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

export function captureSession(): Session {
  const { env, shell } = readCall(process.env)
  // libuv reads the size of its pool when that gets its first work, which must be before the variable goes: it is not for
  // programs that we start.
  access('/', () => {})
  delete process.env.UV_THREADPOOL_SIZE
  return {
    args: process.argv.slice(2),
    env,
    ...place(),
    parentPid: process.ppid,
    stderr: process.stderr,
    launcher: `${packageRoot()}/bin/conda-stage`,
    shell,
  }
}

/** For the library, where the caller does not name them. */
export const surroundings = () => ({ env: process.env, ...place() })

const place = () => ({ cwd: process.cwd(), uid: process.getuid?.() ?? 0 })

/** Name of the program that called us, '' where /proc does not tell. */
export function parentProgram(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`))
  } catch {
    return ''
  }
}
