/** Runs what somebody types at the prompts of login shells. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { quoted as q } from '../shells/world.ts'
import type { Command } from './document.ts'

/** A command's result: the prompt in front of it, and what it printed to standard output and standard error. */
export interface Done {
  prompt: string
  printed: string
}

export interface Login {
  cwd: string
  env: Record<string, string>
  /** Code that runs first, as startup files do. */
  startup: string
}

/** Runs the commands in one login after the other; `exit` ends a login. */
export function typeIn(login: Login, commands: readonly Command[]): Done[] {
  const done: Done[] = []
  while (done.length < commands.length) {
    const part = untilItsEnd(login, commands.slice(done.length))
    done.push(...part)
    assert.ok(
      done.length === commands.length || commands[done.length - 1]?.text === 'exit',
      `the session ended early:\n${part.at(-1)?.printed}`,
    )
  }
  return done
}

/** The commands are the shell's input. So a shell that one of them opens gets those that follow. */
function untilItsEnd({ cwd, env, startup }: Login, commands: readonly Command[]): Done[] {
  const lines = commands.map(({ text }) => `printf '\\036%s\\037' "\${PS1@P}"; eval ${q(text)}`)
  const input = `exec 2>&1\n${startup}\n${lines.join('\n')}\n`
  const { stdout, error } = spawnSync('bash', ['-s'], { encoding: 'utf8', cwd, env, input })
  assert.equal(error, undefined)
  const [start, ...parts] = stdout.split('\x1e')
  assert.equal(start, '', 'nothing is printed at login')
  return parts.map((part) => {
    const [prompt = '', printed = ''] = part.split('\x1f')
    return { prompt, printed }
  })
}
