import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { SHELLS } from '../shells/world.ts'
import { AutoWorld } from './auto-world.ts'

/** Ways for a script to end, with the exit status (null: a signal). The session's own trap must always run. */
const ENDINGS: Record<
  string,
  { before?: string; script: string; status: number | null; prints?: string; atOnce?: true }
> = {
  'its end': { script: ':', status: 0, atOnce: true },
  'exit 4': { script: 'exit 4', status: 4, atOnce: true },
  'an error under set -eu': { before: 'set -eu', script: 'false', status: 1 },
  SIGTERM: { script: 'kill -TERM $$; sleep 9', status: null },
  SIGKILL: { script: 'kill -KILL $$; sleep 9', status: null },
  'exit with an earlier trap': {
    before: `trap 'echo "it'\\''s mine"' EXIT`,
    script: 'exit 3',
    status: 3,
    prints: "it's mine\n",
    atOnce: true,
  },
  'exit with a later trap': { script: "trap 'echo mine' EXIT; exit 3", status: 3, prints: 'mine\n' },
  'becoming another program': { script: 'exec sh -c "exit 5"', status: 5 },
}

for (const shell of SHELLS) {
  test(`${shell.name}: however a script ends, its automatic copy is removed, and its own EXIT trap runs`, async () => {
    using auto = new AutoWorld()
    auto.configure('enable')
    for (const [name, { before = '', script, status, prints = '', atOnce }] of Object.entries(ENDINGS)) {
      // POSIX mode only differs in how it prints traps.
      if (shell.name === 'bash --posix' && !atOnce) continue
      const run = auto.run(shell, 'stand-in', `${before}\nconda activate my\necho "$CONDA_PREFIX"\n${script}`)
      const [copy = '', ...printed] = run.stdout.split(/(?<=\n)/)
      assert.ok(copy.startsWith(`${auto.local}/`), `${name}: ${run.stderr}`)
      assert.equal(printed.join(''), prints, name)
      assert.equal(run.status, status, name)
      if (atOnce) assert.ok(!existsSync(copy.trimEnd()), `${name}: the copy is gone before the shell is`)
    }
    await auto.gone()
  })
}
