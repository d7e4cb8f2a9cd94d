import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const LAUNCHER = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/conda-stage')

/** What the program sees. A stand-in for the program prints it. */
interface Seen {
  node: string
  program: string
  args: string[]
  cwd: string
  env: Record<string, string>
  flags: string[]
}

const PROGRAM = `console.log(JSON.stringify({
  node: process.argv0, program: process.argv[1], args: process.argv.slice(2), cwd: process.cwd(), env: process.env,
  flags: process.execArgv,
}))\n`

/** An installed package or a checkout with the launcher under test. */
class Installation implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'launcher-'))
  readonly root: string
  readonly launcher: string

  constructor({ checkout = false, at = 'lib/node_modules/conda-stage' } = {}) {
    // Node strips no types below node_modules.
    this.root = join(this.folder, checkout ? 'conda-stage' : at)
    this.launcher = join(this.root, 'bin/conda-stage')
    mkdirSync(dirname(this.launcher), { recursive: true })
    copyFileSync(LAUNCHER, this.launcher)
    chmodSync(this.launcher, 0o755)
    this.write(join(this.root, checkout ? 'src/bin.ts' : 'dist/bin.cjs'), PROGRAM)
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(resolve(this.folder, path)), { recursive: true })
    writeFileSync(resolve(this.folder, path), text)
  }

  /** Makes dist/ as `npm run build` does, some ticks of the file system's clock after the sources. */
  async build(): Promise<void> {
    const files = { 'package.json': '{}', 'package-lock.json': '{}', 'scripts/bundle.ts': '' }
    for (const [file, text] of Object.entries(files)) this.write(join(this.root, file), text)
    await setTimeout(20)
    this.write(join(this.root, 'dist/built'), '')
    this.write(join(this.root, 'dist/bin.cjs'), PROGRAM)
    await setTimeout(20)
  }

  /** Puts a node there that claims this version and runs programs by the real one. */
  node(path: string, version = 'v26.0.0'): string {
    const file = resolve(this.folder, path)
    const code = `#!/bin/bash\n[ "$1" != --version ] || { echo ${version}; exit; }\nexec -a "$0" '${process.execPath}' "$@"\n`
    this.write(file, code)
    chmodSync(file, 0o755)
    return file
  }

  run(
    args: string[] = [],
    { env = {}, cwd = this.folder, launcher = this.launcher, shell = [] as string[] } = {},
  ): { seen: Seen | undefined; stderr: string; status: number | null } {
    const [program = '', ...rest] = [...shell, launcher, ...args]
    const { stdout, stderr, status } = spawnSync(program, rest, { encoding: 'utf8', cwd, env })
    return { seen: stdout === '' ? undefined : (JSON.parse(stdout) as Seen), stderr, status }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const OWN = `node_modules/node-linux-${process.arch}/bin/node`

describe('the launcher finds a Node', () => {
  test("the package's own, inside the package or beside it", () => {
    for (const at of [OWN, `../../node_modules/${OWN.slice('node_modules/'.length)}`]) {
      using installed = new Installation()
      const node = installed.node(join(installed.root, at))
      installed.node('path/node')
      const { seen, stderr } = installed.run(['--a', 'b c'], { env: { PATH: join(installed.folder, 'path') } })
      assert.equal(resolve(seen?.node ?? ''), node, stderr)
      assert.deepEqual(seen?.args, ['--a', 'b c'])
    }
  })

  test('CONDA_STAGE_NODE before any other', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    const chosen = installed.node('chosen/node')
    assert.equal(installed.run([], { env: { CONDA_STAGE_NODE: chosen } }).seen?.node, chosen)
  })

  test('another one, with a warning, if CONDA_STAGE_NODE is missing, too old or broken', () => {
    using installed = new Installation()
    const own = installed.node(join(installed.root, OWN))
    const cases = {
      [join(installed.folder, 'missing')]: 'is not a program',
      [installed.node('old/node', 'v22.14.9')]: 'is v22.14.9, older than 22.15',
      [installed.node('broken/node', 'none')]: 'does not run here (none)',
    }
    for (const [chosen, reason] of Object.entries(cases)) {
      const { seen, stderr } = installed.run([], { env: { CONDA_STAGE_NODE: chosen } })
      assert.equal(resolve(seen?.node ?? ''), own)
      assert.equal(stderr, `WARNING: CONDA_STAGE_NODE is ignored: ${chosen} ${reason}\n`)
    }
  })

  test('otherwise the first one on PATH that is new enough', () => {
    using installed = new Installation()
    installed.node('a/node', 'v20.20.2')
    installed.node('b/node', 'v23.7.0')
    installed.node('d/node', 'v22.15.0')
    const PATH = ['a', '', 'b', 'c', 'd'].map((name) => name && join(installed.folder, name)).join(':')
    assert.equal(installed.run([], { env: { PATH } }).seen?.node, join(installed.folder, 'd/node'))
  })

  test('in a checkout without dist/, one that runs TypeScript', () => {
    using checkout = new Installation({ checkout: true })
    checkout.node('a/node', 'v22.17.9')
    const node = checkout.node('b/node', 'v22.18.0')
    const PATH = `${checkout.folder}/a:${checkout.folder}/b`
    const { seen } = checkout.run([], { env: { PATH } })
    assert.deepEqual([seen?.node, seen?.program], [node, join(checkout.root, 'src/bin.ts')])
  })

  test('never one inside the environment that is being staged, however it is spelled', () => {
    using installed = new Installation()
    const inside = installed.node('envs/my/bin/node')
    const outside = installed.node('usr/node')
    mkdirSync(join(installed.folder, 'envs/my/conda-meta'))
    symlinkSync(join(installed.folder, 'envs'), join(installed.folder, 'link'))
    mkdirSync(join(installed.folder, 'linked'))
    symlinkSync(inside, join(installed.folder, 'linked/node'))
    const my = join(installed.folder, 'envs/my')
    const ways = [
      { args: [], env: { CONDA_PREFIX: my } },
      { args: [], env: { CONDA_PREFIX: `${my}/` } },
      { args: [], env: { CONDA_PREFIX: join(installed.folder, 'link/my') } },
      { args: [`--prefix=${my}`], env: {} },
      { args: ['--stage', '--prefix', 'envs/my'], env: {} },
    ]
    for (const { args, env } of ways) {
      for (const folder of ['envs/my/bin', 'link/my/bin', 'linked']) {
        const PATH = `${join(installed.folder, folder)}:${dirname(outside)}`
        const chosen = { CONDA_STAGE_NODE: join(installed.folder, folder, 'node') }
        assert.equal(installed.run(args, { env: { ...env, PATH } }).seen?.node, outside, `${folder} ${args}`)
        assert.equal(installed.run(args, { env: { ...env, PATH, ...chosen } }).seen?.node, outside)
      }
    }
    // An environment other than the active one.
    const other = installed.run(['--prefix=/else'], { env: { CONDA_PREFIX: my, PATH: dirname(inside) } })
    assert.equal(other.seen?.node, inside)
  })

  test('even one inside the folder that --prefix names, if that folder is no environment', () => {
    using installed = new Installation()
    const node = installed.node('bin/node')
    const { seen } = installed.run([`--prefix=${installed.folder}`], { env: { PATH: dirname(node) } })
    assert.equal(seen?.node, node)
  })

  test('and if there is none, says where it looked and what to do', () => {
    using installed = new Installation()
    const old = installed.node('a/node', 'v20.20.2')
    const inside = installed.node('my/bin/node')
    mkdirSync(join(installed.folder, 'my/conda-meta'))
    const PATH = `${dirname(old)}:${dirname(inside)}`
    const my = join(installed.folder, 'my')
    const { seen, stderr, status } = installed.run([], { env: { PATH, CONDA_PREFIX: my } })
    assert.deepEqual([seen, status], [undefined, 1])
    assert.equal(
      stderr,
      `ERROR: conda-stage needs Node.js >= 22.15 and found none.
Looked at:
  ${old} is v20.20.2, older than 22.15
  ${inside} is in the environment ${my} itself
Install conda-stage again with npm, without --omit=optional: it brings one
or set CONDA_STAGE_NODE to the path of a node program that is new enough.
`,
    )
    const evil = installed.run([], { env: { PATH, CONDA_STAGE_NODE: '/e\x1b[31m\x07/node' } })
    assert.match(evil.stderr, /^WARNING: CONDA_STAGE_NODE is ignored: \/e\?\[31m\?\/node /)
    assert.match(installed.run([], { env: { PATH: '' } }).stderr, /Looked at: nothing; neither the package nor PATH/)
    using checkout = new Installation({ checkout: true })
    assert.match(checkout.run([], { env: { PATH: '' } }).stderr, />= 22\.18(.|\n)*Run `npm ci` in .*conda-stage:/)
  })
})

describe('a checkout', () => {
  /** What runs after a build and then this change. */
  async function runsAfter(change: (checkout: Installation) => void): Promise<string> {
    using checkout = new Installation({ checkout: true })
    checkout.node(join(checkout.root, OWN))
    checkout.write(join(checkout.root, 'src/model/entry.ts'), '')
    checkout.write(join(checkout.root, 'elsewhere.ts'), '')
    symlinkSync('../../elsewhere.ts', join(checkout.root, 'src/model/linked.ts'))
    await checkout.build()
    change(checkout)
    const { seen, stderr } = checkout.run()
    assert.equal(stderr, '')
    return seen!.program.slice(checkout.root.length + 1)
  }

  test('runs its dist/ if no source has changed since it was built', async () => {
    assert.equal(await runsAfter(() => {}), 'dist/bin.cjs')
  })

  const changes: Record<string, (at: (name: string) => string) => void> = {
    'an edit in place': (at) => writeFileSync(at('src/model/entry.ts'), 'edited'),
    'an older version written over a file with its time': (at) => {
      writeFileSync(at('src/model/entry.ts'), 'older')
      utimesSync(at('src/model/entry.ts'), 0, 0)
    },
    'an edit behind a symbolic link': (at) => writeFileSync(at('elsewhere.ts'), 'edited'),
    'a file that was added': (at) => writeFileSync(at('src/model/new.ts'), ''),
    'a file that was removed': (at) => rmSync(at('src/model/entry.ts')),
    'other libraries': (at) => writeFileSync(at('package-lock.json'), 'other'),
    'a build that is not finished': (at) => renameSync(at('dist/built'), at('dist/unfinished')),
  }
  for (const [what, change] of Object.entries(changes)) {
    test(`runs its sources after ${what}`, async () => {
      assert.equal(await runsAfter(({ root }) => change((name) => join(root, name))), 'src/bin.ts')
    })
  }
})

describe('the launcher runs from anywhere', () => {
  test('through symbolic links: absolute, relative, chained, as npm makes them', () => {
    using installed = new Installation({ at: 'a b/node_modules/conda-stage' })
    const own = installed.node(join(installed.root, OWN))
    const bin = join(installed.folder, 'a b/node_modules/.bin')
    mkdirSync(bin)
    symlinkSync('../conda-stage/bin/conda-stage', join(bin, 'conda-stage'))
    symlinkSync('a b/node_modules/.bin/conda-stage', join(installed.folder, 'chained'))
    symlinkSync(join(installed.folder, 'chained'), join(installed.folder, 'absolute'))
    for (const launcher of [join(bin, 'conda-stage'), './chained', './absolute', 'a b/node_modules/.bin/conda-stage']) {
      const { seen, stderr } = installed.run([], { launcher })
      assert.equal(seen?.node, own, stderr)
      const called = launcher.startsWith('/') ? launcher : `${installed.folder}/${launcher}`
      assert.equal(seen?.env.__CONDA_STAGE_LAUNCHER, called)
    }
  })

  test('found on PATH, or as an argument of sh', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    const bin = join(installed.root, 'bin')
    const PATH = `${bin}:/usr/bin:/bin`
    assert.ok(installed.run([], { launcher: 'conda-stage', env: { PATH }, shell: ['/usr/bin/env'] }).seen)
    for (const sh of ['dash', 'bash', 'sh', 'mksh', 'yash']) {
      assert.ok(
        installed.run([], { launcher: 'conda-stage', shell: [sh], cwd: bin, env: { PATH: '/usr/bin:/bin' } }).seen,
        sh,
      )
      assert.ok(installed.run([], { launcher: 'bin/conda-stage', shell: [sh], cwd: installed.root }).seen, sh)
    }
  })

  test('in a current folder that was deleted', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    const script = `mkdir gone && cd gone && rmdir ../gone && exec '${installed.launcher}' --path=x`
    const { stdout } = spawnSync('sh', ['-c', script], { cwd: installed.folder, encoding: 'utf8' })
    assert.equal((JSON.parse(stdout) as Seen).cwd, '/')
  })

  test('and otherwise stays in the current folder, because arguments are relative to it', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    assert.equal(installed.run([], { env: { CDPATH: '/tmp', PWD: '/wrong' } }).seen?.cwd, installed.folder)
  })
})

describe('the launcher works whatever the environment holds', () => {
  const strange: Record<string, string> = {
    NODE_OPTIONS: '--no-such-option',
    NODE_PATH: '/nowhere',
    NODE_CHANNEL_FD: '77',
    NODE_V8_COVERAGE: '/nowhere',
    LD_LIBRARY_PATH: '/nowhere',
    OPENSSL_CONF: '/nowhere',
    PYTHONHOME: '/nowhere',
    BASH_ENV: '/nowhere',
    ENV: '/nowhere',
    UV_THREADPOOL_SIZE: '1',
  }

  test('variables that change Node are hidden from it, and held for the program', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    for (const shell of [[], ['dash'], ['bash', '--posix']]) {
      const { seen, stderr } = installed.run([], { env: { ...strange, PATH: '/usr/bin:/bin' }, shell })
      assert.ok(seen, stderr)
      assert.equal(stderr, '')
      for (const [name, value] of Object.entries(strange)) {
        assert.equal(seen.env[`__CONDA_STAGE_HELD_${name}`], `x${value}`, name)
        if (name !== 'UV_THREADPOOL_SIZE') assert.equal(seen.env[name], undefined, name)
      }
      assert.equal(seen.env.UV_THREADPOOL_SIZE, '128')
      assert.equal(seen.env.PATH, '/usr/bin:/bin')
    }
  })

  test('variables that the shell function already holds are not overwritten', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    const env = { __CONDA_STAGE_HELD_LD_PRELOAD: 'x/some.so', LD_PRELOAD: '', __CONDA_STAGE_HELD_LD_LIBRARY_PATH: '' }
    const { seen } = installed.run([], { env })
    assert.equal(seen?.env.__CONDA_STAGE_HELD_LD_PRELOAD, 'x/some.so')
    assert.equal(seen?.env.__CONDA_STAGE_HELD_LD_LIBRARY_PATH, '')
    assert.equal(seen?.env.LD_PRELOAD, undefined)
  })

  test('CONDA_STAGE_POOL sets the number of threads for files, if it is a number', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    for (const [pool, threads] of [
      ['8', '8'],
      ['many', '128'],
      ['', '128'],
    ]) {
      assert.equal(installed.run([], { env: { CONDA_STAGE_POOL: pool! } }).seen?.env.UV_THREADPOOL_SIZE, threads)
    }
  })

  test('limits of the session leave room for fewer threads, and a session without MALLOC_ARENA_MAX stays without', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    const seenUnder = (limit: string, env: Record<string, string> = {}) => {
      const shell = ['bash', '-c', `ulimit ${limit} && exec "$@"`, 'bash']
      return installed.run([], { shell, env: { PATH: '/usr/bin:/bin', ...env } }).seen!.env
    }
    const pool = (limit: string) => seenUnder(limit).UV_THREADPOOL_SIZE
    assert.deepEqual(['-v 2097152', '-v 67108864', '-d 4194304', '-n 100', '-n 40'].map(pool), [
      '16',
      '128',
      '32',
      '25',
      '10',
    ])
    const held = '__CONDA_STAGE_HELD_MALLOC_ARENA_MAX'
    const { MALLOC_ARENA_MAX, [held]: none } = seenUnder('-v 2097152')
    assert.deepEqual([MALLOC_ARENA_MAX, none], ['1', ''])
    assert.equal(seenUnder('-v 2097152', { MALLOC_ARENA_MAX: '7' })[held], 'x7')
    assert.equal(seenUnder('-n 100')[held], undefined)
  })

  test('a PATH that is empty or has no commands is passed on unchanged, also through a symbolic link', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    symlinkSync(installed.launcher, join(installed.folder, 'link'))
    for (const PATH of ['', '/nowhere']) {
      const { seen, stderr } = installed.run([], { env: { PATH }, launcher: join(installed.folder, 'link') })
      assert.equal(seen?.env.PATH, PATH, stderr)
    }
  })

  test('functions and options that bash exports have no effect', () => {
    using installed = new Installation()
    installed.node(join(installed.root, OWN))
    symlinkSync(installed.launcher, join(installed.folder, 'link'))
    const names = ['cd', 'command', 'echo', 'printf', 'read', 'readlink', 'find', 'test']
    const functions = Object.fromEntries(names.map((name) => [`BASH_FUNC_${name}%%`, '() { /bin/echo bad; }']))
    const env = { ...functions, SHELLOPTS: 'errexit:nounset:noglob:noclobber', IFS: '/n', PATH: '/usr/bin:/bin' }
    const old = installed.node('old/node', 'v20.20.2')
    mkdirSync(join(installed.folder, 'conda-meta'))
    for (const shell of [['dash'], ['bash', '--posix']]) {
      const launcher = join(installed.folder, 'link')
      const chosen = { ...env, CONDA_STAGE_NODE: old, CONDA_PREFIX: installed.folder }
      assert.deepEqual(installed.run(['x'], { env, shell, launcher }).seen?.args, ['x'])
      assert.match(
        installed.run(['x'], { env: chosen, shell, launcher }).stderr,
        /Looked at:\n {2}\S+old\/node is in the/,
      )
      const { seen, stderr } = installed.run(['x'], { env: { ...env, CONDA_STAGE_NODE: old }, shell, launcher })
      assert.deepEqual(
        [seen?.args, stderr],
        [['x'], `WARNING: CONDA_STAGE_NODE is ignored: ${old} is v20.20.2, older than 22.15\n`],
      )
    }
  })

  test('an installed launcher starts nothing but Node, and readlink if a symbolic link leads to it', () => {
    using installed = new Installation()
    const node = join(installed.root, OWN)
    mkdirSync(dirname(node), { recursive: true })
    symlinkSync(process.execPath, node)
    const { stderr, error } = spawnSync(
      '/usr/bin/strace',
      ['-qq', '-f', '-e', 'trace=execve,clone,fork,vfork', installed.launcher],
      {
        encoding: 'utf8',
        env: { PATH: '/nowhere' },
      },
    )
    assert.equal(error, undefined, 'strace must be installed')
    assert.match(stderr, /node-linux/)
    const beforeNode = stderr.slice(0, stderr.indexOf('node-linux'))
    assert.doesNotMatch(beforeNode, /clone|fork/)
  })
})
