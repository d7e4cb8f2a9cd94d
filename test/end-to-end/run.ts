/** Programs run from outside, in an environment that holds nothing of the session's own conda or Python. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'

export const LAUNCHER = join(import.meta.dirname, '../../bin/conda-stage')

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** HOME and PATH as a batch job has them; `home` takes what programs leave there. */
export const plainEnvironment = (home: string, ...folders: string[]): Record<string, string> => ({
  HOME: home,
  PATH: [...folders, '/usr/local/bin', '/usr/bin', '/bin'].join(':'),
  LANG: 'C.UTF-8',
})

/** Never rejects for an exit code; the caller looks at it. */
export function run(program: string, args: string[], env: Record<string, string>, cwd = '/'): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, cwd, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error ? error.code : 0
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(error)
    })
  })
}

/** What the program prints, if it ends well. */
export async function output(program: string, args: string[], env: Record<string, string>, cwd = '/'): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, env, cwd)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}
