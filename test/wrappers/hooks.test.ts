/** The recipes of docs/recipes.md for tools that run lines of ours in front of what they start. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LAUNCHER, type World } from '../cli/world.ts'
import { wrapped } from './world.ts'

/** What `conda activate` leaves, and then the hook that the page gives. */
const hook = ({ prefix }: World): string =>
  [
    `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV='${basename(prefix)}' CONDA_SHLVL=1 PATH='${prefix}/bin':$PATH`,
    `eval "$('${LAUNCHER}' --source bash)"`,
    'conda-stage --on-failure=continue',
  ].join('\n')

function underBash(world: World, script: string, env: Record<string, string> = {}) {
  writeFileSync(join(world.root, 'script'), script)
  const { status, stdout } = spawnSync('bash', [join(world.root, 'script')], {
    env: { ...world.env, ...env },
    cwd: world.root,
    encoding: 'utf8',
  })
  return { status, stdout }
}

/** Nothing can be staged there. */
const NOWHERE = { CONDA_STAGE_PATH: '/proc/nowhere' }

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
