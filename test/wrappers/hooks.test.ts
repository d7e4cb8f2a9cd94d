/** The recipes of docs/recipes.md for tools that run lines of ours in front of what they start. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { World } from '../cli/world.ts'
import { activatedHook, wrapped } from './world.ts'

function underBash(world: World, script: string, env: Record<string, string> = {}) {
  writeFileSync(join(world.root, 'script'), script)
  const { status, stdout, stderr } = spawnSync('bash', [join(world.root, 'script')], {
    env: { ...world.env, ...env },
    cwd: world.root,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** Nothing can be staged there. */
const NOWHERE = { CONDA_STAGE_PATH: '/proc/nowhere' }

/**
 * What Nextflow puts around a task, shortened to what a hook meets.
 * https://github.com/nextflow-io/nextflow/blob/2aad02f65/modules/nextflow/src/main/resources/nextflow/executor/command-run.txt
 */
const commandRun = (beforeScript: string): string => `#!/bin/bash
set -e
set -u
on_exit() {
    local last_err=$?
    local exit_status=\${nxf_main_ret:=0}
    [[ \${exit_status} -eq 0 && \${last_err} -ne 0 ]] && exit_status=\${last_err}
    printf -- $exit_status > .exitcode
    set +u
    exit $exit_status
}
on_term() {
    set +e
    kill "$pid"
}
nxf_launch() {
    tell ran
}
nxf_main() {
    trap on_exit EXIT
    trap on_term TERM INT USR2
    trap '' USR1
    set +u
    ${beforeScript}
    set -u
    set +e
    (set -o pipefail; (nxf_launch | tee .command.out) 3>&1 1>&2 2>&3 | tee .command.err) 3>&1 1>&2 2>&3 &
    pid=$!
    wait $pid || nxf_main_ret=$?
}
nxf_main
`

test("Nextflow's beforeScript stages: the task runs from the copy, its status is written, and the copy goes", async (context) => {
  const world = await wrapped(context)
  const { status, stdout } = underBash(world, commandRun(activatedHook(world)))
  assert.equal(status, 0)
  assert.match(stdout, new RegExp(`^${world.local}/conda-stage_\\w+/myjupyter/bin/tell\nran\n$`))
  assert.equal(readFileSync(join(world.root, '.exitcode'), 'utf8'), '0')
  // The trap of Nextflow has ended the shell before ours could run. Then it is the process that waits for the shell's end.
  for (let at = 0; readdirSync(world.local).length > 0; at++) {
    assert.ok(at < 300)
    await pause(100)
  }
})

test('a task of Nextflow runs where nothing can be staged, thanks to --on-failure=continue and to nothing else', async (context) => {
  const world = await wrapped(context)
  const { status, stdout, stderr } = underBash(world, commandRun(activatedHook(world)), NOWHERE)
  assert.deepEqual([status, stdout], [0, `${world.prefix}/bin/tell\nran\n`])
  assert.match(stderr, /^WARNING: .*was not staged/m)
  const failed = underBash(world, commandRun(activatedHook(world, '')), NOWHERE)
  assert.deepEqual([failed.status, failed.stdout], [1, ''])
})
