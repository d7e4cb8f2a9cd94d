import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { keyOf, SETTING_NAMES } from '../../src/config/settings.ts'
import { run } from '../cli/world.ts'
import { place, statusOf } from './place.ts'

test('an option beats a variable, then come the user file, the site file and the built-in default', async (context) => {
  const at = place(context)
  const { userFile, siteFile } = at
  const writable = async (args: string[] = [], value?: string) =>
    (await statusOf(at, args, { env: { CONDA_STAGE_WRITABLE: value } })).of('writable')
  assert.deepEqual(await writable(), [false, 'built-in'])
  writeFileSync(siteFile, 'writable: true\n')
  assert.deepEqual(await writable(), [true, siteFile])
  writeFileSync(userFile, 'writable: false\n')
  assert.deepEqual(await writable(), [false, userFile])
  assert.deepEqual(await writable([], 'true'), [true, 'CONDA_STAGE_WRITABLE'])
  assert.deepEqual(await writable(['--read-only'], 'true'), [false, '--read-only'])
  assert.deepEqual(await writable(['--writable'], 'false'), [true, '--writable'])
})

test('the two configuration files are merged key by key, but a list comes from one of them', async (context) => {
  const at = place(context, {
    user: 'check: full\nlocal-folders:\n  - /mine\n',
    site: 'activator: conda\nlocal-folders:\n  - /a\n  - /b\nthreads: 2\n',
  })
  const { of, files } = await statusOf(at, ['--threads=3'])
  assert.deepEqual(of('check'), ['full', at.userFile])
  assert.deepEqual(of('activator'), ['conda', at.siteFile])
  assert.deepEqual(of('local-folders'), [['/mine'], at.userFile])
  assert.deepEqual(of('threads'), [3, '--threads'])
  assert.deepEqual(of('compress-level'), [null, 'built-in'])
  assert.deepEqual(
    files.map(({ path, whose, state }) => [path, whose, state]),
    [
      [at.userFile, 'user', 'read'],
      [at.siteFile, 'site', 'read'],
    ],
  )
})

test('every setting can be given in a file, and --status names that file', async (context) => {
  const values: Record<string, unknown> = {
    'local-folders': ['/x'],
    'local-folders-only': true,
    'skip-local': false,
    writable: true,
    private: true,
    'with-conda': true,
    'with-base': true,
    'keep-minutes': 30,
    'allow-base': true,
    activator: 'conda',
    check: 'full',
    'on-failure': 'continue',
    'archive-folder': '/y',
    format: 'tar.gz',
    packer: 'conda-pack',
    'compress-level': 9,
    threads: 2,
    'ignore-missing-files': true,
    'ignore-editable-packages': true,
    'retention-days': 'unlimited',
    'retention-archives': 5,
    verbosity: 'debug',
  }
  assert.deepEqual(Object.keys(values).sort(), SETTING_NAMES.map(keyOf).sort())
  const lines = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
  const at = place(context, { user: lines.join('') })
  const { of } = await statusOf(at)
  for (const [key, value] of Object.entries(values)) assert.deepEqual([key, of(key)], [key, [value, at.userFile]])
})

test('XDG_CONFIG_HOME names the folder of the user file if it is absolute', async (context) => {
  const at = place(context, { user: 'check: full\n' })
  mkdirSync(`${at.root}/xdg/conda-stage`, { recursive: true })
  writeFileSync(`${at.root}/xdg/conda-stage/config.yaml`, 'threads: 7\n')
  const xdg = (XDG_CONFIG_HOME: string) => statusOf(at, [], { env: { XDG_CONFIG_HOME }, cwd: at.root })
  assert.deepEqual((await xdg(`${at.root}/xdg`)).of('threads'), [7, `${at.root}/xdg/conda-stage/config.yaml`])
  assert.deepEqual((await xdg('xdg')).of('check'), ['full', at.userFile])
})

test('without CONDA_STAGE_SITE_CONFIG, the site file is the one in /etc', async (context) => {
  const at = place(context)
  const { files } = await statusOf(at, [], { env: { CONDA_STAGE_SITE_CONFIG: undefined } })
  assert.equal(files[1]!.path, '/etc/conda-stage/config.yaml')
})

test('--status shows the value of each setting and where it is from', async (context) => {
  const at = place(context, { user: 'check: full\n' })
  const { stdout } = await run(at, ['--status', '--threads=3'])
  const lines = [
    ` +user: +${at.userFile} \\(read\\)`,
    ` +check +full \\(${at.userFile}\\)`,
    ' +threads +3 \\(--threads\\)',
    ' +format +tar.zst \\(built-in\\)',
    ' +skip-local +true in jobs, otherwise false \\(built-in\\)',
    ' +on-failure +continue in automatic staging, otherwise fail \\(built-in\\)',
  ]
  for (const line of lines) assert.match(stdout, new RegExp(`^${line}$`, 'm'))
})

test('the ending of --output beats a format in a configuration file', async (context) => {
  const at = place(context, { user: 'format: tar.gz\n' })
  assert.equal((await statusOf(at)).of('format')[0], 'tar.gz')
  assert.equal((await statusOf(at, ['--output=/x/a.zip'])).of('format')[0], 'zip')
  assert.equal((await statusOf(at, ['--output=/x/a.zip', '--format=tar'])).of('format')[0], 'tar')
})

test('a compression level in a file is cut to what the format takes, but one on the command line has to fit', async (context) => {
  const at = place(context, { user: 'compress-level: 15\n' })
  assert.equal((await statusOf(at)).of('compress-level')[0], 15)
  assert.equal((await statusOf(at, ['--format=tar.gz'])).of('compress-level')[0], 9)
  assert.equal((await statusOf(at, ['--format=tar'])).of('compress-level')[0], null)
  assert.equal((await run(at, ['--status', '--format=tar.gz', '--compress-level=15'])).status, 2)
})
