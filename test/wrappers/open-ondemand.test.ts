/** The recipes of docs/recipes.md for Open OnDemand, as jobs of Slurm. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER, type World } from '../cli/world.ts'
import { type Slurm, startSlurm } from '../jobs/slurm.ts'
import { copiesIn, type Wrapped, wrapped } from './world.ts'

let slurm: Slurm
before(async () => {
  slurm = await startSlurm()
})
after(() => slurm.stop())

/** What `conda activate` leaves, and then the hook that the page gives. */
const hook = ({ prefix }: World): string =>
  [
    `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV='${basename(prefix)}' CONDA_SHLVL=1 PATH='${prefix}/bin':$PATH`,
    `eval "$('${LAUNCHER}' --source bash)"`,
    'conda-stage --on-failure=continue',
  ].join('\n')

interface App {
  /** Texts in ERB. */
  before?: string
  script: string
  /** Of the cluster. */
  wrapper?: string
}

/**
 * The job script of a session, whose folder has the app's files: what a hook meets of that of Open OnDemand, in its order.
 * https://github.com/OSC/ood_core/blob/86656b38/lib/ood_core/batch_connect/template.rb
 */
function jobScript(folder: string, { before, script, wrapper = '%s' }: App): string {
  mkdirSync(folder)
  for (const [name, text] of Object.entries({ 'before.sh': before ?? '', 'script.sh': script })) {
    writeFileSync(join(folder, `${name}.erb`), text)
    writeFileSync(join(folder, name), execFileSync('erb', [join(folder, `${name}.erb`)]), { mode: 0o755 })
  }
  const session = `cd '${folder}'
ended () { echo 'Cleaning up...'; pkill -P $SCRIPT_PID; exit $1; }
source_helpers () {
  find_port () { echo 4711; }
  export -f find_port
}
export -f source_helpers
source_helpers
host=localhost
source before.sh
echo "port: $port" > connection.yml
./script.sh &
SCRIPT_PID=$!
wait $SCRIPT_PID || ended 1
ended 0
`
  // Ruby fills the wrapper.
  return `#!/bin/bash\n${execFileSync('ruby', ['-e', 'print ARGV[0] % ARGV[1]', wrapper, session], { encoding: 'utf8' })}`
}

/** Runs a session where copies can be made, and where none can. */
async function ended(context: TestContext, app: (world: Wrapped) => App, isKept = false) {
  const world = await wrapped(context)
  for (const local of [world.local, '/proc/nowhere']) {
    rmSync(world.note, { force: true })
    const folder = join(world.root, 'session')
    const output = join(world.root, 'output')
    const env = { ...world.env, CONDA_STAGE_PATH: local, PATH: `${world.env.PATH}` }
    const job = { script: jobScript(folder, app(world)), options: [`--output=${output}`], env }
    const status = await slurm.submit(job)
    const said = readFileSync(output, 'utf8')
    assert.equal(status, 0, said)
    const place = local === world.local ? `${local}/conda-stage_\\w+/myjupyter` : world.prefix
    assert.match(said, new RegExp(`^${place}/bin/tell\n\\d{4,5}$`, 'm'))
    assert.match(said, /^Cleaning up\.\.\.$/m)
    assert.match(readFileSync(join(folder, 'connection.yml'), 'utf8'), /^port: \d+$/m)
    rmSync(folder, { recursive: true })
    for (let at = 0; !isKept && readdirSync(world.local).length > 0; at++) {
      assert.ok(at < 300, said)
      await pause(100)
    }
  }
  assert.equal(copiesIn(world).length, isKept ? 1 : 0)
}

/** The session's functions are there. */
const SCRIPT = '#!/bin/bash\ntell "$(find_port)"\n'

test("Open OnDemand's before.sh.erb stages for script.sh, or leaves it the original, and the copy goes with the session", (context) =>
  ended(context, (world) => ({
    before: `${hook(world)}\nport=$(find_port \${host})\nexport port<%# in ERB, as all of it %>\n`,
    script: SCRIPT,
  })))

test("Open OnDemand's script_wrapper stages around the whole script, or leaves it the original, and the copy goes with the session", (context) =>
  ended(context, (world) => ({
    wrapper: `${hook(world)}\n%s\n`,
    before: 'port=4711\n',
    script: SCRIPT,
  })))

test('in a session of Open OnDemand, a wrapper needs no hook, and its program has the session’s functions', (context) =>
  ended(
    context,
    ({ wrapper }) => ({ before: 'port=4711\n', script: `#!/bin/bash\n'${wrapper}' call find_port\n` }),
    true,
  ))
