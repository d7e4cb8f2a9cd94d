import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
    `process.on('exit', () => require('fs').writeFileSync(process.env.LOADED, JSON.stringify({
      node: process.moduleLoadList.map((name) => name.replace('NativeModule ', '')),
      files: Object.keys(require.cache),
    })))`,
  )
  const loaded = (...args: string[]): { node: string[]; files: string[] } => {
    const env = { HOME: root, PATH: '/usr/bin:/bin', LOADED: join(root, 'loaded.json') }
    execFileSync(process.execPath, ['-r', hook, join(root, 'dist/bin.cjs'), ...args], { env, stdio: 'ignore' })
    return JSON.parse(readFileSync(env.LOADED, 'utf8'))
  }
  const bin = join(root, 'dist/bin.cjs')
  const version = loaded('--version')
  assert.deepEqual(version.files, [hook, bin])
  for (const part of ['crypto', 'zlib', 'child_process', 'net', 'worker_threads', 'readline'])
    assert.ok(!version.node.includes(part), part)
  assert.deepEqual(loaded('--source', 'bash').files, [hook, bin])
  // The YAML reader is loaded only if there is a configuration file.
  mkdirSync(join(root, '.config/conda-stage'), { recursive: true })
  writeFileSync(join(root, '.config/conda-stage/config.yaml'), 'threads: 2\n')
  assert.deepEqual(loaded('--status').files, [hook, bin, join(root, 'dist/libraries/yaml.cjs')])
})
