import { spawn } from 'node:child_process'
import type { TestContext } from 'node:test'

/** A packer in a process of its own, and the words that it prints. `ahead`: of its clock, in ms. */
export function packer(
  context: TestContext,
  path: string,
  text: string,
  ms: number,
  { inside = [], ahead = 0 }: { inside?: readonly string[]; ahead?: number } = {},
) {
  const script = new URL('packer.ts', import.meta.url).pathname
  const [program, ...args] = [...inside, process.execPath, script, path, text, String(ms), String(ahead)]
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  context.after(() => child.kill('SIGKILL'))
  const words: string[] = []
  const waiters = new Set<() => void>()
  child.stdout.on('data', (data: Buffer) => {
    words.push(...data.toString().trim().split('\n'))
    for (const wake of waiters) wake()
  })
  const said = async (word: string) => {
    while (!words.includes(word)) await new Promise<void>((resolve) => waiters.add(resolve))
  }
  return { child, words, said }
}
