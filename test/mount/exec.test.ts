import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { NEEDS_ROOT, type Node, nodeWith } from './world.ts'

/** A program whose data are in a zip, with the prefix in a checksummed member: no relocator can change that. */
function addSealedProgram({ prefix, root }: Node): void {
  mkdirSync(`${root}/zip`)
  writeFileSync(`${root}/zip/home`, `${prefix}/share\n`)
  execFileSync('zip', ['-q', `${prefix}/share/sealed.zip`, 'home'], { cwd: `${root}/zip` })
  writeFileSync(`${prefix}/share/answer`, 'the answer\n')
  writeFileSync(
    `${prefix}/bin/sealed`,
    `#!/bin/sh\nhome=$(unzip -p ${prefix}/share/sealed.zip home) && exec cat "$home/answer"\n`,
    { mode: 0o755 },
  )
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isSo(); tries++) await pause(50)
  assert.ok(isSo())
}

test('a program that no relocator could move runs from the copy, and asks the file system of the original for nothing', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const node = await nodeWith(context)
  addSealedProgram(node)
  const slow = await mountSlow(node.prefix, node.prefix, { latencyMs: 0, validSeconds: 0 })
  try {
    // The command waits, so that the counters see it alone.
    const { ended } = node.start([
      '--exec=strict',
      '--',
      'sh',
      '-c',
      `touch ~/up; until [ -e ~/go ]; do sleep 0.1; done; sealed`,
    ])
    await until(() => existsSync(`${node.env.HOME}/up`))
    await slow.reset()
    writeFileSync(`${node.env.HOME}/go`, '')
    assert.deepEqual(await ended.then(({ status, stdout }) => [status, stdout]), [0, 'the answer\n'])
    const { serverCpuMs: _, ...counters } = await slow.counters()
    assert.deepEqual(
      Object.entries(counters).filter(([, count]) => count > 0),
      [],
    )
  } finally {
    await slow.unmount()
  }
  assert.ok(await node.isEmpty())
})

test('a command has the exit status, the parent, the descriptors and the ignored signals that it would have without us', async (context) => {
  const node = await nodeWith(context)
  const caller = `trap '' USR1; "$@" 7< /etc/hostname; echo "status $?"; echo $$; grep SigIgn /proc/self/status`
  const report = `echo $PPID; grep SigIgn /proc/self/status; cmp /etc/hostname - <&7 && exit 7`
  const { stdout, stderr } = await node.exec(['--quiet', '--exec', '--', 'sh', '-c', report], {
    inside: ['sh', '-c', caller, 'sh'],
  })
  const [parent, ignored, status, pid, ignoredByCaller] = stdout.split('\n')
  assert.deepEqual([parent, ignored, status, stderr], [pid, ignoredByCaller, 'status 7', ''])
})

test('a command has the variables of its caller, and no others but those that tell of the copy', async (context) => {
  const node = await nodeWith(context)
  // Names that our own code uses, and what is hidden from Node.
  const names = 'root self node named line code uid becomes NODE_OPTIONS PYTHONPATH LD_LIBRARY_PATH BASH_ENV ENV OLDPWD'
  const env = Object.fromEntries(names.split(' ').map((name) => [name, '/usr']))
  const { stdout } = await node.exec(['--exec', '--', 'sh', '-c', 'exec env'], {
    env: { ...env, SHLVL: '4' },
    inside: ['sh', '-c', 'env; echo ---; exec "$@"', 'sh'],
  })
  const [before, after] = stdout.split('---\n').map((text) => text.trim().split('\n'))
  const added = ['CONDA_PROMPT_MODIFIER=(myjupyter*) ', 'CONDA_STAGE_STAGED=true']
  const isKnown = (line: string) => !line.startsWith('_=')
  assert.deepEqual(after!.filter(isKnown).sort(), [...before!, ...added].filter(isKnown).sort())
})

test('functions that bash has exported, such as Lmod’s module, reach a command of --exec', async (context) => {
  const node = await nodeWith(context)
  const env = { 'BASH_FUNC_module%%': '() {  echo "loaded $1"\n}' }
  const { stdout } = await node.exec(['--exec', '--', 'bash', '-c', 'module tool'], { env })
  assert.equal(stdout, 'loaded tool\n')
})

test('a command gets its standard input, and any bytes as arguments and variables', async (context) => {
  const node = await nodeWith(context)
  const caller = `X=$(printf 'a\\377\\nb'); export X; printf 'in\\0put' | "$@" "$X"`
  const { stdout } = await node.exec(['--exec', '--', 'sh', '-c', `cat; printf '|%s|%s|' "$X" "$1"`, 'sh'], {
    inside: ['sh', '-c', `${caller} | od -An -tx1`, 'sh'],
  })
  const text = Buffer.from('in\0put|a\xff\nb|a\xff\nb|', 'latin1').toString('hex')
  assert.equal(stdout.replaceAll(/\s/g, ''), text)
})

for (const [signal, status] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGINT', 'SIGINT'],
  ['SIGKILL', 'SIGKILL'],
  ['SIGUSR1', 0],
] as const)
  test(`${signal} reaches the command itself, and its copy goes`, async (context) => {
    const node = await nodeWith(context)
    const up = `${node.env.HOME}/up`
    const command = `trap 'kill $!; exit 0' USR1; sleep 60 & touch ${up}; wait`
    const { child, ended } = node.start([
      '--exec',
      '--',
      'sh',
      '-c',
      signal === 'SIGUSR1' ? command : `touch ${up}; exec sleep 60`,
    ])
    await until(() => existsSync(up))
    child.kill(signal)
    assert.equal((await ended).status, status)
    assert.ok(await node.isEmpty())
  })

test('what a command leaves running keeps the copy, and sees it until it ends', async (context) => {
  const node = await nodeWith(context)
  const { HOME } = node.env
  // Only the copy has this file.
  const child = `until [ -e ${HOME}/go ]; do sleep 0.1; done; wc -l < ${node.prefix}/conda-meta/frozen > ${HOME}/end`
  const { status } = await node.exec(['--exec', '--', 'sh', '-c', `(${child}) > /dev/null 2>&1 &`])
  assert.equal(status, 0)
  await pause(2500) // the process that waits looks once a second
  assert.equal(node.copies().length, 1)
  writeFileSync(`${HOME}/go`, '')
  await until(() => existsSync(`${HOME}/end`))
  await until(() => readFileSync(`${HOME}/end`, 'utf8') === '1\n')
  assert.ok(await node.isEmpty())
})

test('commands at the same time share one copy, and a relocated copy is none for them', async (context) => {
  const node = await nodeWith(context)
  const { HOME } = node.env
  const wait = ['--exec', '--', 'sh', '-c', `touch ${HOME}/up$$; until [ -e ${HOME}/go ]; do sleep 0.1; done`]
  const relocated = (await node.exec([`--prefix=${node.prefix}`])).stdout.trim()
  const first = node.start(wait)
  await until(() => node.copies().length === 2)
  const second = node.start(wait)
  await until(() => execFileSync('ls', [HOME!], { encoding: 'utf8' }).match(/up/g)?.length === 2)
  assert.equal(node.copies().length, 2)
  const list = await node.exec(['--list'])
  assert.match(list.stdout, /for the original's own place/)
  writeFileSync(`${HOME}/go`, '')
  for (const { ended } of [first, second]) assert.equal((await ended).status, 0)
  await node.exec(['--unstage', `--prefix=${relocated}`])
  assert.ok(await node.isEmpty())
})

test('in the current folder of the original, a command stays in that folder of the copy', async (context) => {
  const node = await nodeWith(context)
  const { stdout } = await node.exec(['--exec', '--', 'sh', '-c', 'pwd; stat -c %i . $CONDA_PREFIX/share'], {
    cwd: `${node.prefix}/share`,
  })
  const [cwd, here, there] = stdout.split('\n')
  assert.deepEqual([cwd, here], [`${node.prefix}/share`, there])
})

test('the command can neither unmount the copy nor mount anything, and nobody else sees it', async (context) => {
  const node = await nodeWith(context)
  const command =
    'umount "$CONDA_PREFIX" 2> /dev/null || echo no; mount --bind / /mnt 2> /dev/null || echo no; id -u; : > ~/up; until [ -e ~/go ]; do sleep 0.1; done'
  const { ended } = node.start(['--exec', '--', 'sh', '-c', command])
  await until(() => existsSync(`${node.env.HOME}/up`))
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(node.prefix))
  writeFileSync(`${node.env.HOME}/go`, '')
  const { stdout } = await ended
  assert.match(stdout, /^no\nno\n\d+\n$/)
})

test('an environment that is named is activated for the command, with its variables and scripts', async (context) => {
  const node = await nodeWith(context)
  const variables = {
    CONDA_PREFIX: undefined,
    CONDA_DEFAULT_ENV: undefined,
    CONDA_SHLVL: undefined,
    PATH: '/usr/bin:/bin',
  }
  writeFileSync(`${node.prefix}/conda-meta/state`, '{"env_vars": {"FROM_STATE": "state"}}')
  writeFileSync(`${node.prefix}/etc/conda/activate.d/own.sh`, '[[ -d $CONDA_PREFIX ]] && export FROM_SCRIPT=script\n')
  const report = 'command -v greet; echo "$CONDA_PREFIX $CONDA_SHLVL $CONDA_STAGE_STAGED $FROM_STATE $FROM_SCRIPT"'
  const { stdout } = await node.exec([`--prefix=${node.prefix}`, '--exec', '--', 'sh', '-c', report], {
    env: variables,
  })
  assert.equal(stdout, `${node.prefix}/bin/greet\n${node.prefix} 1 true state script\n`)
})

test('a call in a call runs the command in the copy that is there', async (context) => {
  const node = await nodeWith(context)
  const { stdout, status } = await node.exec([
    '--exec',
    '--',
    node.launcher,
    '--exec',
    '--',
    'sh',
    '-c',
    `echo $CONDA_PREFIX; ls -d ${node.local}/conda-stage_*`,
  ])
  assert.equal(status, 0)
  assert.equal(stdout.split('\n')[0], node.prefix)
  assert.equal(stdout.trim().split('\n').length, 2)
})

test('without namespaces a command runs from a relocated copy, and a message says why', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const node = await nodeWith(context)
  const report = 'command -v greet; exit 3'
  const { stdout, stderr, status } = await node.execWithout(['--exec', '--', 'sh', '-c', report])
  assert.equal(status, 3)
  assert.match(stdout, new RegExp(`^${node.local}/conda-stage_\\w+/myjupyter/bin/greet\n$`))
  assert.match(stderr, /^INFO: No copy can stand in the place of .*: user namespaces are switched off/m)
  assert.ok(await node.isEmpty())
})

test('with --exec=strict and without namespaces the command is not run', { skip: NEEDS_ROOT }, async (context) => {
  const node = await nodeWith(context)
  const { stdout, stderr, status } = await node.execWithout(['--exec=strict', '--', 'echo', 'ran'])
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^ERROR: No copy can stand in the place of .*\n.*docs\/exec\.md/m)
  assert.ok(await node.isEmpty())
})

test('if nothing can be staged, a command fails, or runs from the original with --on-failure=continue', async (context) => {
  const node = await nodeWith(context)
  const nowhere = ['--path=/nowhere', '--exec', '--', 'sh', '-c', 'command -v greet']
  const failed = await node.exec(nowhere)
  assert.deepEqual([failed.status, failed.stdout], [1, ''])
  const continued = await node.exec(['--on-failure=continue', ...nowhere])
  assert.deepEqual([continued.status, continued.stdout], [0, `${node.prefix}/bin/greet\n`])
  assert.match(continued.stderr, /^WARNING: The command runs from the original/m)
})

test('with CONDA_STAGE=false a command runs from the original', async (context) => {
  const node = await nodeWith(context)
  const { stdout, status } = await node.exec(
    ['--exec', '--', 'sh', '-c', `ls ${node.local}; command -v greet; exit 4`],
    {
      env: { CONDA_STAGE: 'false' },
    },
  )
  assert.deepEqual([status, stdout], [4, `${node.prefix}/bin/greet\n`])
})

test('a command that does not exist gives 127, and a call without a command gives 2', async (context) => {
  const node = await nodeWith(context)
  assert.equal((await node.exec(['--exec', '--', 'no-such-command'])).status, 127)
  assert.equal((await node.exec(['--exec'])).status, 2)
  assert.equal((await node.exec(['--writable', '--exec', '--', 'true'])).status, 2)
  assert.match((await node.exec(['--exec', '--help'])).stdout, /--exec \[how\]/)
})

test('whoever ends the process by a signal while the copy is made ends all of it, and nothing is left behind', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const node = await nodeWith(context)
  const slow = await mountSlow(node.prefix, node.prefix, { latencyMs: 0 })
  try {
    // It would pack for ever.
    await slow.hang({ kind: 'read' })
    const { child, ended } = node.start(['--exec', '--', 'true'])
    await until(() => node.processes().includes('--exec'))
    while ((await slow.counters()).waiting === 0) await pause(50)
    child.kill('SIGTERM')
    await until(() => !node.processes().includes('--exec'))
    assert.equal((await ended).status, 'SIGTERM')
  } finally {
    await slow.unmount()
  }
  assert.ok(await node.isEmpty())
})

test('with an image, a command sees that, from a copy of one file; the server goes with the last process', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const node = await nodeWith(context)
  assert.equal((await node.exec(['--pack', '--format=squashfs'], { inside: node.withFuse })).status, 0)
  const report = `grep " $CONDA_PREFIX " /proc/self/mountinfo; cat "$CONDA_PREFIX/conda-meta/history"; ls ${node.local}/*`
  for (const how of [[], ['--in-place']]) {
    const { stdout, stderr } = await node.exec([...how, '--exec=strict', '--', 'sh', '-c', report], {
      inside: node.withFuse,
    })
    assert.match(stdout, / - fuse\.squashfuse_ll conda-stage_\w+ ro/, stderr)
    assert.ok(stdout.includes(readFileSync(`${node.prefix}/conda-meta/history`, 'utf8')))
    assert.equal(stdout.includes('\nmyjupyter.sqfs\n'), how.length === 0)
    await until(() => !node.processes().includes('squashfuse_ll'))
    assert.ok(await node.isEmpty())
  }
})

test('an image that nobody can mount here is not used: the command sees a plain copy', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const node = await nodeWith(context)
  assert.equal((await node.exec(['--pack', '--format=squashfs'])).status, 0)
  const report = 'grep -c "/conda-stage_.* $CONDA_PREFIX " /proc/self/mountinfo'
  const { stdout, stderr } = await node.exec(['--exec=strict', '--', 'sh', '-c', report], { inside: node.withoutFuse })
  assert.equal(stdout, '1\n')
  assert.match(stderr, /^INFO: The image .* is not used: .*fuse/m)
})

test('in a command of --exec, staging again is no failure, and --unstage says how to leave', async (context) => {
  const node = await nodeWith(context)
  const { launcher } = node
  const hook = `eval "$('${launcher}' --source=bash)"`
  const script = `set -euo pipefail; ${hook}; conda-stage; conda-stage --prefix="$CONDA_PREFIX"; conda-stage --unstage`
  const { stdout, stderr, status } = await node.exec(['--quiet', '--exec', '--', 'bash', '-c', script])
  assert.deepEqual([stdout, status], [`${node.prefix}\n`, 1])
  assert.equal(stderr.match(/INFO: Already staged: the copy stands in the place of/g)?.length, 2)
  assert.match(stderr, /^ERROR: The copy stands in the place of .*\n.*exit/m)
})

for (const [shell, hook] of [
  ['bash', `eval "$(LAUNCHER --source=bash)"; set -euo pipefail`],
  ['zsh', `eval "$(LAUNCHER --source=zsh)"; set -eu`],
  ['sh', `eval "$(LAUNCHER --source=sh)"\nset -eu`],
  ['fish', 'LAUNCHER --source=fish | source'],
  ['tcsh', 'eval "`LAUNCHER --source=tcsh`"'],
])
  test(`the shell function of ${shell} leaves the command its standard streams and gives its exit status`, async (context) => {
    const node = await nodeWith(context)
    const status = shell === 'fish' || shell?.endsWith('csh') ? '$status' : '$?'
    const or = shell === 'fish' || shell?.endsWith('csh') ? ';' : '||'
    // Another word with a blank and a quote.
    const call = `echo input | conda-stage --quiet --exec -- sh -c 'cat; echo "$1"; exit 5' sh "it's one" ${or} echo ${status}`
    const lines = `${hook!.replaceAll('LAUNCHER', node.launcher)}\n${call}\nconda-stage --quiet --exec -- true\necho ${status}\n`
    writeFileSync(`${node.root}/script`, lines)
    const env = { CONDA_STAGE: 'false' }
    const { stdout, stderr } = await node.under([shell!, `${node.root}/script`], { env })
    assert.deepEqual([stdout, stderr], ["input\nit's one\n5\n0\n", ''])
  })

test('under mpirun each process is the one that MPI has started, with its way to talk to the others', async (context) => {
  const node = await nodeWith(context)
  // Hydra gives each process a descriptor; who says `init` there gets an answer.
  const talk = `for word in 'init pmi_version=1 pmi_subversion=1' finalize; do
    echo "cmd=$word" >&$PMI_FD; read -r answer <&$PMI_FD; echo "$answer"; done`
  const report = `wc -l < $CONDA_PREFIX/conda-meta/frozen; [ -z "\${PMI_FD-}" ] || { ${talk}; }`
  const quiet = [node.launcher, '--quiet', '--exec=strict', '--no-skip-local', '--', 'bash', '-c', report]
  const mpich = await node.under(['mpirun.mpich', '-n', '2', ...quiet], { cwd: '/tmp' })
  assert.deepEqual(mpich.stdout.match(/^1$/gm)?.length, 2, mpich.stderr)
  assert.equal(mpich.stdout.match(/cmd=response_to_init .*rc=0/g)?.length, 2, mpich.stdout)
  const env = { OMPI_MCA_rmaps_base_oversubscribe: '1' }
  const open = await node.under(['mpirun.openmpi', '-n', '2', ...quiet], { cwd: '/tmp', env })
  assert.deepEqual([open.stdout, open.status], ['1\n1\n', 0], open.stderr)
})

test('if the user can have no number in the namespace, the call ends with the reason, and does not wait for ever', async (context) => {
  const node = await nodeWith(context)
  const script = join(node.launcher, '../../dist/templates/namespace.sh')
  const enter = ['unshare', '-U', 'sh', script, 'enter', 'touch', `${node.env.HOME}/ran`]
  const show = ['sh', script, 'show', 'bind', node.root, node.root, 'token', '', 'strict', 'no-number', '0', ...enter]
  const { status, stderr } = await node.under(['timeout', '20', 'unshare', '-Urm', ...show])
  assert.notEqual(status, 124, stderr)
  assert.match(stderr, /^ERROR: .*user no-number can't have a number. The command was not run$/m)
  assert.ok(!existsSync(`${node.env.HOME}/ran`))
})

test('an original that has a second path by another mount is covered at both, if its files name it by both', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const node = await nodeWith(context)
  const other = `${node.root}/other/home`
  mkdirSync(other, { recursive: true })
  const second = node.prefix.replace(`${node.root}/home`, other)
  writeFileSync(`${node.prefix}/bin/second`, `#!${second}/bin/python\n`, { mode: 0o755 })
  const withMount = [
    'unshare',
    '-m',
    'sh',
    '-c',
    'mount --bind "$1/home" "$1/other/home"; shift; exec "$@"',
    'sh',
    node.root,
  ]
  const report = `wc -l < ${node.prefix}/conda-meta/frozen; wc -l < ${second}/conda-meta/frozen`
  const { stdout, stderr } = await node.exec(['--exec=strict', '--', 'sh', '-c', report], { inside: withMount })
  assert.equal(stdout, '1\n1\n', stderr)
})

test('where not even our program can start, a command fails, or runs from the original with --on-failure=continue', async (context) => {
  const node = await nodeWith(context)
  const inside = ['sh', '-c', 'ulimit -v 500000; exec "$@"', 'sh']
  const command = ['--exec', '--', 'sh', '-c', 'echo "$1"; exit 6', 'sh', "it's one"]
  const failed = await node.exec(command, { inside })
  assert.deepEqual([failed.status, failed.stdout], [1, ''])
  assert.match(failed.stderr, /^ERROR: conda-stage can't start: the limit of memory/m)
  const continued = await node.exec(['--on-failure=continue', ...command], { inside })
  assert.deepEqual([continued.status, continued.stdout], [6, "it's one\n"])
})
