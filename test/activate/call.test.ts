import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deliverCode, readCall } from '../../src/activate/call.ts'

test("the program sees the session's own variables, without those that the parts of conda-stage exchange", () => {
  const { env } = readCall({
    HOME: '/h',
    PATH: '/p',
    UV_THREADPOOL_SIZE: '64',
    LD_PRELOAD: '',
    __CONDA_STAGE_HELD_LD_PRELOAD: '',
    __CONDA_STAGE_HELD_LD_LIBRARY_PATH: 'x/lib',
    __CONDA_STAGE_HELD_NODE_OPTIONS: 'x',
    __CONDA_STAGE_CODE: '8',
  })
  assert.deepEqual(env, { HOME: '/h', PATH: '/p', LD_LIBRARY_PATH: '/lib', NODE_OPTIONS: '' })
})

test('the program knows the calling shell, and whether its prompt is set, empty or missing', () => {
  const call = {
    __CONDA_STAGE_SHELL: 'zsh',
    __CONDA_STAGE_CODE: '8',
    __CONDA_STAGE_FLAGS: 'eu',
    __CONDA_STAGE_PID: '42',
  }
  for (const [marked, ps1] of [
    ['x$ ', '$ '],
    ['x', ''],
    ['', undefined],
  ] as const) {
    const { shell } = readCall({ ...call, __CONDA_STAGE_PS1: marked })
    assert.deepEqual(shell, { dialect: 'zsh', code: 8, flags: 'eu', ps1, pid: 42 })
  }
  assert.equal(readCall({ ...call, __CONDA_STAGE_CODE: '/tmp/x' }).shell?.code, '/tmp/x')
  assert.equal(readCall({ ...call, __CONDA_STAGE_PID: '' }).shell?.pid, undefined)
})

test('a call without the shell function, or by one of another version, gets no shell code', () => {
  for (const env of [
    {},
    { __CONDA_STAGE_SHELL: 'bash' },
    { __CONDA_STAGE_SHELL: 'toString', __CONDA_STAGE_CODE: '8' },
  ]) {
    assert.equal(readCall(env).shell, undefined)
  }
})

test('shell code arrives whole, in a file or through a pipe that is read slowly', () => {
  const folder = mkdtempSync(join(tmpdir(), 'code-'))
  try {
    deliverCode(join(folder, 'code'), 'é\n')
    assert.equal(readFileSync(join(folder, 'code'), 'utf8'), 'é\n')
    const module = join(dirname(fileURLToPath(import.meta.url)), '../../src/activate/call.ts')
    const script = `import { deliverCode } from ${JSON.stringify(module)}; deliverCode(8, 'é'.repeat(500000))`
    const { stdout } = spawnSync(
      'sh',
      ['-c', '{ "$1" --input-type=module -e "$2" 8>&1 >&2; } | { sleep 0.1; wc -c; }', 'sh', process.execPath, script],
      { encoding: 'utf8' },
    )
    assert.equal(stdout.trim(), '1000000')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
