import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subcommandIn } from '../../src/platform/pixi-scripts.ts'

test('what pixi was called for is known whatever general options stand before it', () => {
  for (const options of ['', '-v', '-vv --no-progress', '--color always', '--color=never -q']) {
    const words = ['/usr/bin/pixi', ...options.split(' ').filter(Boolean), 'run', '--locked', 'shell']
    assert.equal(subcommandIn(words), 'run', options)
  }
  assert.equal(subcommandIn(['pixi', '--version']), '')
})
