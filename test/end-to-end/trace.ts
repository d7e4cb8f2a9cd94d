import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { run } from './run.ts'

/** The system calls of a program and its children, one per line, as strace prints them. */
export async function trace(
  calls: string,
  log: string,
  program: string[],
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string; lines: string[] }> {
  const options = ['-f', '--seccomp-bpf', '-s', '4096', '-e', `trace=${calls}`, '-e', 'signal=none', '-o', log]
  const ended = await run('strace', [...options, '--', ...program], env)
  return { ...ended, lines: readFileSync(log, 'utf8').split('\n').slice(0, -1) }
}

/** Base names of the programs that were started, without failed attempts. */
export function startedPrograms(lines: string[]): string[] {
  return lines.flatMap((line) => {
    const program = /execve\("([^"]+)".* = 0$/.exec(line)?.[1]
    return program === undefined ? [] : [basename(program)]
  })
}

/** Lines with a path that is `prefix` or below it. */
export function touching(lines: string[], prefix: string): string[] {
  return lines.filter((line) => line.includes(`"${prefix}"`) || line.includes(`"${prefix}/`))
}
