import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { quoted as q, SHELLS } from '../shells/world.ts'
import { AutoWorld, BASH } from './auto-world.ts'

/** POSIX mode makes no difference here. */
const shells = SHELLS.filter(({ name }) => name !== 'bash --posix')

test("a subshell that ends removes its own automatic copy and leaves its parent's alone", () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const count = `ls ${q(auto.local)} | wc -l`
  for (const shell of shells) {
    const { stdout, stderr } = auto.run(
      shell,
      'stand-in',
      `( conda activate my; ${count} )
      n=0; while [ "$(${count})" != 0 ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
      ${count}
      conda activate my
      ( conda deactivate; exit 3 )
      ( exit 3 )
      ${shell.argv[0]} -c ". '\${CONDA_EXE_STAND_IN%.*}.sh'; conda deactivate"
      ${count}`,
    )
    assert.equal(stdout, '1\n0\n1\n', stderr)
  }
})

test('a copy from which a program still runs is removed when the program has ended', async () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const { stdout, stderr } = auto.run(
    BASH,
    'stand-in',
    `conda activate my
    naps 60 & until [ /proc/$!/exe -ef "$CONDA_PREFIX/bin/naps" ]; do :; done
    conda deactivate
    ls ${q(auto.local)} | wc -l
    # Not after a time, which may be too short on a busy machine.
    kill $!; wait $!; [ $? = 143 ] && echo well`,
  )
  assert.equal(stdout, '1\nwell\n', stderr)
  assert.match(stderr, /INFO: Programs still need .*\/my: it will be removed when they end\n/)
  await auto.gone()
})

test("the process that waits for the session's end has none of its descriptors open and a session of its own", () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const { stdout } = auto.run(
    BASH,
    'stand-in',
    `exec 7> seven 200> lock
    conda activate my
    for p in /proc/[0-9]*; do
      tr '\\0' ' ' < $p/cmdline | grep -q "watch.sh.*$CONDA_PREFIX" && watcher=\${p#/proc/}
    done 2> /dev/null
    n=0; while [ "$(ls /proc/$watcher/fd | wc -l)" -gt 5 ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
    readlink /proc/$watcher/fd/* | sort -u
    [ "$(ps -o sid= -p $watcher)" -eq $watcher ] && echo own`,
  )
  // The folder of the copy is held for cleaners.
  const [first, ...others] = stdout.trimEnd().split('\n')
  assert.deepEqual([first, others.length, others.at(-1)], ['/dev/null', 3, 'own'], stdout)
  assert.ok(others.some((path) => path.endsWith('/watch.sh')) && others.some((path) => /conda-stage_\w+$/.test(path)))
})

test('if the session and the process that waits for its end are killed, the next session takes the copy over and removes it', async () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const killed = auto.run(
    BASH,
    'stand-in',
    `conda activate my
    ls ${q(auto.local)}
    for p in /proc/[0-9]*; do
      tr '\\0' ' ' < $p/cmdline | grep -q "watch.sh.*$CONDA_PREFIX" && kill -KILL \${p#/proc/}
    done 2> /dev/null
    kill -KILL $$`,
  )
  assert.deepEqual(auto.stages(), [killed.stdout.trim()])
  const next = auto.run(BASH, 'stand-in', `conda activate my; ls ${q(auto.local)}; conda deactivate`)
  assert.equal(next.stdout, killed.stdout)
  assert.deepEqual(auto.stages(), [])
})

test('with --auto-unstage=disable the copy stays after conda deactivate', () => {
  using auto = new AutoWorld()
  auto.configure('enable', ['--auto-unstage=disable'])
  const { stdout } = auto.run(BASH, 'stand-in', 'conda activate my; place; conda deactivate')
  assert.deepEqual(
    auto.stages().map((name) => join(auto.local, name, 'my\n')),
    [stdout],
  )
})

test('a copy of an environment that was enabled with --keep stands for the next activation, which copies nothing', () => {
  for (const keep of ['--keep=60', '--keep']) {
    using auto = new AutoWorld()
    auto.configure('enable', [keep])
    const first = auto.run(BASH, 'stand-in', 'conda activate my; echo "$CONDA_PREFIX"; conda deactivate')
    const second = auto.run(BASH, 'stand-in', 'conda activate my; echo "$CONDA_PREFIX"')
    assert.equal(second.stdout, first.stdout, second.stderr)
    assert.match(first.stderr, /INFO: Extracting /)
    assert.doesNotMatch(second.stderr, /INFO: Extracting /)
    assert.equal(auto.stages().length, 1)
  }
})
