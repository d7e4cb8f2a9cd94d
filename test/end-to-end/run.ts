/** Runs programs with variables that hold nothing of this session's own conda or Python. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'

export const LAUNCHER = join(import.meta.dirname, '../../bin/conda-stage')

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** HOME and PATH as in a batch job. Programs leave their files in `home`. */
export const plainEnvironment = (home: string, ...folders: string[]): Record<string, string> => ({
  HOME: home,
  PATH: [...folders, '/usr/local/bin', '/usr/bin', '/bin'].join(':'),
  LANG: 'C.UTF-8',
})

/** Never rejects because of an exit code; the caller checks it. */
export function run(program: string, args: string[], env: Record<string, string>, cwd = '/'): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, cwd, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error ? error.code : 0
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(error)
    })
  })
}

/** Standard output of a program that must succeed. */
export async function output(program: string, args: string[], env: Record<string, string>, cwd = '/'): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, env, cwd)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}
