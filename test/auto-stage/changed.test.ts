import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AutoWorld, BASH } from './auto-world.ts'

test('a writable copy in which files were changed is kept when its session leaves it or ends, and says so', () => {
  using auto = new AutoWorld()
  auto.configure('enable', ['--writable'])
  for (const end of ['conda deactivate', 'exit 0']) {
    const script = `conda activate my; echo mine > "$CONDA_PREFIX/new"; ${end}`
    const { stderr } = auto.run(BASH, 'stand-in', script)
    assert.match(
      stderr,
      /WARNING: (.+\/my) is kept, because files in it were changed\. To remove it: conda-stage --unstage --prefix='\1'/,
    )
  }
  // Each of these sessions began by removing what sessions before it had left.
  assert.equal(auto.stages().length, 2)
  const { stderr } = auto.run(BASH, 'stand-in', 'conda activate my; conda deactivate')
  assert.doesNotMatch(stderr, /is kept/)
  assert.equal(auto.stages().length, 2, 'a copy without changes is removed')
})
