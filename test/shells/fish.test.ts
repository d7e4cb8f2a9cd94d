import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { render } from '../../src/activate/render.ts'
import { FISH, World } from './world.ts'

test("fish: a command for the session's end runs then, once, unless it was cancelled or its file is gone", () => {
  using world = new World()
  world.write('there', '')
  const step = (id: string, whileThere: string, pid: string) => ({ argv: [id], whileThere, pid: pid as never, id })
  const context = { flags: '', launcher: '/bin/echo' }
  const code = (op: 'atExit' | 'notAtExit', id: string, file = 'there', pid = '$fish_pid') =>
    render([{ op, ...step(id, join(world.root, file), pid) }], 'fish', context)
  const run = world.run(
    FISH,
    'none',
    `function f; ${code('atExit', 'one')}
    ${code('atExit', 'two', 'gone')}
    ${code('atExit', 'three')}
    ${code('atExit', 'four', 'there', '1')}
    ${code('notAtExit', 'three')}
    end
    f; echo end; exit 3`,
  )
  assert.deepEqual([run.stdout, run.stderr, run.status], ['end\none\n', '', 3])
})
