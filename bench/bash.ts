import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ENV } from './layout.ts'

/** A bash in which commands are called one after the other. */
export interface Bash {
  /** Runs code in the session itself, and returns its seconds by bash's own clock. Throws if it fails. */
  call(code: string): Promise<number>
  close(): void
}

export function openBash(): Bash {
  const bash = spawn('bash', ['--norc', '--noprofile'], { env: ENV, cwd: '/', stdio: 'pipe' })
  const answers = createInterface({ input: bash.stdout })[Symbol.asyncIterator]()
  let said = ''
  bash.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  return {
    async call(code) {
      bash.stdin.write(`__began=$EPOCHREALTIME; { ${code}\n} < /dev/null >&2; echo "$? $__began $EPOCHREALTIME"\n`)
      const { value, done } = await answers.next()
      const [status, began, ended] = done ? [] : value.split(' ').map(Number)
      if (status !== 0) throw new Error(`In bash, this failed (${status ?? 'it ended'}): ${code}\n${said}`)
      return ended! - began!
    },
    close: () => void bash.stdin.end('exit\n'),
  }
}
