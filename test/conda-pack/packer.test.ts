/** `--packer=conda-pack`, with conda-pack from PyPI. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fails, run, succeed, type World, world } from '../cli/world.ts'
import { condaPackData } from './conda-pack.ts'
import { digest, output } from './support.ts'

/** A folder for PATH with some of the system's programs and some of the test's own. */
function programs(place: World, system: readonly string[], own: Record<string, string> = {}): string {
  const folder = `${place.root}/programs`
  mkdirSync(folder)
  for (const name of system) symlinkSync(`/usr/bin/${name}`, `${folder}/${name}`)
  for (const [name, code] of Object.entries(own))
    writeFileSync(`${folder}/${name}`, `#!/bin/sh\n${code}\n`, { mode: 0o755 })
  return folder
}

/** All that conda-stage itself needs. The machine's own PATH may have a conda-pack. */
const SYSTEM = ['sh', 'env', 'dirname', 'readlink', 'uname', 'cat', 'sed', 'id'] as const

test('--packer=conda-pack packs with conda-pack and stages the result; the next stage uses the same archive', async (context) => {
  const place = await world(context)
  const env = { XDG_DATA_HOME: await condaPackData() }
  const args = ['--packer=conda-pack', `--prefix=${place.prefix}`, `--path=${place.local}`]
  const { stdout, stderr } = await succeed(place, args, { env })
  const expected = [
    'INFO: Packaging conda environment ...',
    'Collecting packages...',
    "Packing environment at '.*' to '.*'",
    '\\[#{40}\\] \\| 100% Completed \\| +[\\d.]+s',
    "INFO: Total 'conda-pack' time: \\d+ seconds?",
    'INFO: .*/myjupyter.tar.gz was made by conda-pack .*',
    'INFO: Unpacking',
    "INFO: Total 'conda-unpack' time: \\d+ seconds?",
  ]
  assert.match(stderr, new RegExp(`^${expected.join('\n')}$`, 'm'))
  assert.equal(await output(`${stdout.trimEnd()}/bin/greet`, ['--prefix']), stdout)
  assert.deepEqual(readdirSync(`${place.prefix}/..`).sort(), ['myjupyter', 'myjupyter.tar.gz'])

  const before = digest(`${place.prefix}.tar.gz`)
  const again = await succeed(place, args, { env })
  assert.doesNotMatch(again.stderr, /Packaging|Unpacking/)
  const later = new Date(Date.now() + 2000)
  utimesSync(`${place.prefix}/conda-meta/history`, later, later)
  assert.match((await succeed(place, ['--pack', '--quiet', ...args.slice(0, 2)], { env })).stderr, /^$/)
  assert.notEqual(statSync(`${place.prefix}.tar.gz`).mtimeMs, 0)
  assert.notEqual(digest(`${place.prefix}.tar.gz`), before)
})

test('a missing conda-pack is installed from PyPI once, into a folder of its own, not into the environment', async (context) => {
  const place = await world(context)
  const env = { XDG_DATA_HOME: `${place.root}/data` }
  const before = await output('find', [place.prefix])
  const args = ['--pack', '--packer=conda-pack', `--prefix=${place.prefix}`, '--format=tar', '--force']
  const first = await succeed(place, args, { env })
  assert.match(
    first.stderr,
    /^INFO: Installing conda-pack \.\.\.\nINFO: Total 'conda-pack' installation time: \d+ seconds?$/m,
  )
  assert.ok(existsSync(`${place.root}/data/conda-stage/conda-pack/bin/conda-pack`))
  assert.equal(await output('find', [place.prefix]), before)
  const second = await succeed(place, args, { env })
  assert.doesNotMatch(second.stderr, /Installing/)
})

test('if conda-pack can not be installed, the error says what is missing and what to do', async (context) => {
  const place = await world(context)
  const args = ['--pack', '--packer=conda-pack', `--prefix=${place.prefix}`]
  const data = `${place.root}/data`
  const node = { CONDA_STAGE_NODE: process.execPath, XDG_DATA_HOME: data }
  const hint = "leave out '--packer=conda-pack'"
  const PATH = programs(place, SYSTEM)
  await fails(place, args, { code: 'NO_CONDA_PACK', says: 'no python3 on PATH', hint }, { env: { ...node, PATH } })

  writeFileSync(`${PATH}/python3`, '#!/bin/sh\necho "No module named venv" >&2; exit 1\n', { mode: 0o755 })
  const says = /-m venv' failed \(1\): No module named venv \(on Debian, install python3-venv\)/
  await fails(place, args, { code: 'NO_CONDA_PACK', says, hint }, { env: { ...node, PATH } })

  const offline = {
    XDG_DATA_HOME: data,
    PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
    PIP_RETRIES: '0',
    PIP_CONFIG_FILE: '/dev/null',
  }
  await fails(place, args, { code: 'NO_CONDA_PACK', says: /pip failed \(1\): .*conda-pack/, hint }, { env: offline })
  assert.ok(!existsSync(join(data, 'conda-stage/conda-pack/complete')))
})

test('programs of the packed environment are not used if PATH has others', async (context) => {
  const place = await world(context)
  writeFileSync(`${place.prefix}/bin/python3`, `#!/bin/sh\ntouch '${place.root}/used'\nexit 1\n`, { mode: 0o755 })
  writeFileSync(`${place.prefix}/bin/conda-pack`, `#!/bin/sh\ntouch '${place.root}/used'\nexit 1\n`, { mode: 0o755 })
  const PATH = `${place.prefix}/bin:${programs(place, SYSTEM, { 'conda-pack': 'echo packing; exit 3' })}`
  const env = { PATH, CONDA_STAGE_NODE: process.execPath }
  const ended = await run(place, ['--pack', '--packer=conda-pack', `--prefix=${place.prefix}`], { env })
  assert.match(ended.stderr, /conda-pack failed \(3\): it printed no error message/)
  assert.ok(!existsSync(`${place.root}/used`))
})

test('if conda-pack fails, the error quotes it and no file is left', async (context) => {
  const place = await world(context)
  const own = {
    'conda-pack':
      'for a; do case $a in --output=*) : > "$(echo "$a" | sed s/--output=//)" ;; esac; done; echo CondaPackError: no way >&2; exit 1',
  }
  const env = { PATH: programs(place, SYSTEM, own), CONDA_STAGE_NODE: process.execPath }
  const failure = {
    code: 'CONDA_PACK_FAILED',
    says: 'CondaPackError: no way',
    hint: "leave out '--packer=conda-pack'",
  } as const
  await fails(place, ['--packer=conda-pack', `--prefix=${place.prefix}`, `--path=${place.local}`], failure, { env })
})

test('--packer=conda-pack never replaces a file that conda-pack did not write', async (context) => {
  const place = await world(context)
  const file = `${place.prefix}.tar.gz`
  const args = ['--pack', '--packer=conda-pack', '--force', `--prefix=${place.prefix}`]
  writeFileSync(file, 'mine')
  chmodSync(file, 0o600)
  await fails(place, args, { code: 'ARCHIVE_FOREIGN', path: file, hint: 'It is left alone' })
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/ours.tar.gz`])
  const ours = [...args, `--output=${place.root}/ours.tar.gz`]
  await fails(place, ours, { code: 'ARCHIVE_FOREIGN', says: 'by conda-stage', hint: 'It is left alone' })
})
