/** The recipes of docs/recipes.md for tools that run lines of ours in front of what they start. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER, type World } from '../cli/world.ts'
import { wrapped } from './world.ts'

/** What `conda activate` leaves, and then the hook that the page gives. */
const hook = ({ prefix }: World, options = '--on-failure=continue'): string =>
  [
    `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV='${basename(prefix)}' CONDA_SHLVL=1 PATH='${prefix}/bin':$PATH`,
    `eval "$('${LAUNCHER}' --source bash)"`,
    `conda-stage ${options}`,
  ].join('\n')

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
  const { status, stdout } = underBash(world, commandRun(hook(world)))
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
  const { status, stdout, stderr } = underBash(world, commandRun(hook(world)), NOWHERE)
  assert.deepEqual([status, stdout], [0, `${world.prefix}/bin/tell\nran\n`])
  assert.match(stderr, /^WARNING: .*was not staged/m)
  const failed = underBash(world, commandRun(hook(world, '')), NOWHERE)
  assert.deepEqual([failed.status, failed.stdout], [1, ''])
})

/** As Open OnDemand puts a session together: https://github.com/OSC/ood_core/blob/86656b38/lib/ood_core/batch_connect/template.rb */
function sessionOf(world: World, files: { before?: string; wrapper?: string; script: string }): string {
  const folder = join(world.root, 'session')
  mkdirSync(folder, { recursive: true })
  const rendered = (name: string, text: string) => {
    writeFileSync(join(folder, `${name}.erb`), text)
    writeFileSync(join(folder, name), execFileSync('erb', [join(folder, `${name}.erb`)]), { mode: 0o755 })
  }
  rendered('script.sh', files.script)
  rendered('before.sh', files.before ?? '')
  const base = `cd '${folder}'
source_helpers () {
  find_port () { echo 4711; }
  export -f find_port
}
export -f source_helpers
source_helpers
host=localhost
[[ -e "before.sh" ]] && source "before.sh"
echo "Script starting..."
"./script.sh" &
SCRIPT_PID=$!
wait \${SCRIPT_PID} || exit 1
`
  return (files.wrapper ?? '%s').replace('%s', () => base)
}

async function ended(context: TestContext, files: (world: World, wrapper: string) => Parameters<typeof sessionOf>[1]) {
  const world = await wrapped(context)
  for (const env of [{}, NOWHERE]) {
    rmSync(world.note, { force: true })
    const { status, stdout } = underBash(world, sessionOf(world, files(world, world.wrapper)), env)
    assert.equal(status, 0)
    const place = env === NOWHERE ? world.prefix : `${world.local}/conda-stage_\\w+/myjupyter`
    assert.match(stdout, new RegExp(`^Script starting\\.\\.\\.\n${place}/bin/tell\n4711\n$`))
  }
}

test("Open OnDemand's before.sh.erb stages for script.sh, or leaves it the original", (context) =>
  ended(context, (world) => ({
    before: `${hook(world)}\nport=$(find_port \${host})\nexport port<%# in ERB, as all of it %>\n`,
    script: '#!/bin/bash\ntell "$port"\n',
  })))

test("Open OnDemand's script_wrapper stages around the whole script, or leaves it the original", (context) =>
  ended(context, (world) => ({ wrapper: `${hook(world)}\n%s\n`, script: '#!/bin/bash\ntell "$(find_port)"\n' })))

test("in a session of Open OnDemand, a wrapper needs no hook, and its program has the session's functions", (context) =>
  ended(context, (_, wrapper) => ({
    script: `#!/bin/bash\n'${wrapper}' call find_port\n`,
  })))
