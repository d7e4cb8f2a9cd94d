import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bundle } from '../../scripts/bundle.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

test('the program starts from one file, and loads only the parts of Node and the libraries that the call needs', async (t) => {
  const root = await temporaryFolder(t)
  await bundle(join(root, 'dist'))
  copyFileSync(join(import.meta.dirname, '../../package.json'), join(root, 'package.json'))
  const hook = join(root, 'hook.cjs')
  writeFileSync(
    hook,
    // Becoming another program would end the process without an exit.
    `process.execve = undefined
    process.on('exit', () => require('fs').writeFileSync(process.env.LOADED, JSON.stringify({
      node: process.moduleLoadList.map((name) => name.replace('NativeModule ', '')),
      files: Object.keys(require.cache),
    })))`,
  )
  const env = { HOME: root, PATH: '/usr/bin:/bin', LOADED: join(root, 'loaded.json'), __CONDA_STAGE_TERMINAL: 'no' }
  const loaded = (args: string[], more = {}): { node: string[]; files: string[] } => {
    const inSession = { env: { ...env, ...more }, stdio: 'ignore' } as const
    execFileSync(process.execPath, ['-r', hook, join(root, 'dist/bin.cjs'), ...args], inSession)
    return JSON.parse(readFileSync(env.LOADED, 'utf8'))
  }
  const bin = join(root, 'dist/bin.cjs')
  const version = loaded(['--version'])
  assert.deepEqual(version.files, [hook, bin])
  for (const part of ['crypto', 'zlib', 'child_process', 'net', 'worker_threads', 'readline'])
    assert.ok(!version.node.includes(part), part)
  assert.deepEqual(loaded(['--source', 'bash']).files, [hook, bin])
  const prefix = join(root, 'env')
  mkdirSync(join(prefix, 'conda-meta'), { recursive: true })
  mkdirSync(join(root, 'local'), { mode: 0o700 })
  writeFileSync(join(prefix, 'conda-meta/history'), '')
  const session = {
    CONDA_PREFIX: prefix,
    CONDA_STAGE_PATH: join(root, 'local'),
    __CONDA_STAGE_SHELL: 'bash',
    __CONDA_STAGE_CODE: join(root, 'code'),
    __CONDA_STAGE_PID: `${process.pid}`,
  }
  const makes = loaded(['--no-skip-local'], session)
  assert.ok(makes.node.includes('crypto') && makes.node.includes('zlib'))
  const joins = loaded(['--no-skip-local'], session)
  // Node itself loads child_process for the process that stays, where it can't become another program.
  for (const part of ['crypto', 'zlib', 'worker_threads', 'readline', 'tty'])
    assert.ok(!joins.node.includes(part), part)
  // The YAML reader is loaded only if there is a configuration file.
  mkdirSync(join(root, '.config/conda-stage'), { recursive: true })
  writeFileSync(join(root, '.config/conda-stage/config.yaml'), 'threads: 2\n')
  assert.deepEqual(loaded(['--status']).files, [hook, bin, join(root, 'dist/libraries/yaml.cjs')])
})

test('the program starts from the byte code that the build has made, and without it, or with another one, from its source', async (t) => {
  const root = await temporaryFolder(t)
  const dist = join(root, 'dist')
  await bundle(dist)
  copyFileSync(join(import.meta.dirname, '../../package.json'), join(root, 'package.json'))
  const hook = join(root, 'hook.cjs')
  writeFileSync(
    hook,
    `process.execve = undefined
    const vm = require('vm')
    vm.Script = class extends vm.Script {
      constructor(...args) {
        super(...args)
        process.on('exit', () => console.log(this.cachedDataRejected))
      }
    }`,
  )
  const env = { HOME: root, PATH: '/usr/bin:/bin' }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const isRejected = () => {
    const said = execFileSync(process.execPath, ['-r', hook, join(dist, 'bin.cjs'), '--version'], {
      env,
      encoding: 'utf8',
    })
    const [first, rejected] = said.split('\n')
    assert.equal(first, version)
    return rejected
  }
  assert.equal(isRejected(), 'undefined', 'there is none')
  execFileSync(process.execPath, [join(import.meta.dirname, '../../scripts/byte-code.ts'), dist])
  assert.equal(isRejected(), 'false')
  const file = join(dist, `program.cjs.${process.version}-${process.arch}`)
  truncateSync(file, 100_000)
  assert.equal(isRejected(), 'true')
  writeFileSync(file, 'no byte code')
  assert.equal(isRejected(), 'true')
})
