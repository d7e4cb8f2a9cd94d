/** At a terminal, where people type. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FISH, quoted as q, SHELLS, TCSH } from '../shells/world.ts'
import { AutoWorld } from './auto-world.ts'

type AnyShell = Parameters<AutoWorld['run']>[0]

/** Hangs up as a closed window does; by shell, if that differs. */
const HANG_UP: Partial<Record<string, string>> = { fish: 'kill -HUP $fish_pid' }
const ENDS = {
  'by exit': () => 'exit',
  'when its window is closed': ({ name }: AnyShell) => HANG_UP[name] ?? 'kill -HUP $$',
}

/** Types the script into the shell at a terminal. */
const typed = ({ argv, ...shell }: AnyShell): AnyShell => ({
  ...shell,
  argv: ['sh', '-c', `exec script -qec ${q([...argv, '-i'].join(' '))} /dev/null < "$1"`, 'sh'],
})

for (const [how, end] of Object.entries(ENDS)) {
  for (const shell of [...SHELLS, FISH, TCSH]) {
    test(`${shell.name}: conda activate stages at a terminal, and the copy is removed when the session ends ${how}`, async () => {
      // conda's alias for tcsh can't handle a space in a path.
      using auto = new AutoWorld({}, 'it')
      auto.configure('enable')
      const { stdout } = auto.run(typed(shell), 'stand-in', `conda activate my\nplace > placed\n${end(shell)}`, {
        TERM: 'dumb',
      })
      const placed = join(auto.world.root, 'placed')
      assert.ok(existsSync(placed) && readFileSync(placed, 'utf8').startsWith(`${auto.local}/conda-stage_`), stdout)
      await auto.gone()
    })
  }
}
