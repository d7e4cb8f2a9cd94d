import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

/** An environment with everything that is easily lost: times, modes, links, empty folders and names of any bytes. */
function makeEnvironment(prefix: string): void {
  for (const folder of ['conda-meta', 'bin', 'lib/empty', 'lib/shared', 'etc/conda/activate.d'])
    mkdirSync(`${prefix}/${folder}`, { recursive: true })
  const write = (path: string | Buffer, text: string, mode = 0o644) => writeFileSync(path, text, { mode })
  write(`${prefix}/conda-meta/history`, '')
  write(`${prefix}/conda-meta/state`, '{"env_vars": {"DATA": "x"}}')
  write(`${prefix}/bin/tool`, `#!/bin/sh\necho "$0 ${prefix}"\n`, 0o755)
  linkSync(`${prefix}/bin/tool`, `${prefix}/bin/same`)
  write(`${prefix}/lib/large`, `${prefix}/lib\0${'of several frames '.repeat(300_000)}`)
  write(`${prefix}/lib/nothing`, '')
  write(Buffer.concat([Buffer.from(`${prefix}/lib/n`), Buffer.from([0xe4, 0x0a, 0xff])]), 'x')
  write(`${prefix}/lib/${'long'.repeat(60)}`, 'long')
  symlinkSync('nowhere', `${prefix}/lib/dangling`)
  symlinkSync(`${prefix}/bin/tool`, `${prefix}/lib/absolute`)
  chmodSync(`${prefix}/lib/shared`, 0o2775)
  execFileSync('sh', ['-c', TIMES, 'sh', prefix])
  chmodSync(`${prefix}/lib/nothing`, 0o000)
  chmodSync(`${prefix}/bin`, 0o555)
}

const TIMES = `cd "$1"
  touch -h -d '2001-02-03 04:05:06.123456789' lib/dangling
  touch -d '1960-02-03 04:05:06.987654321' bin/tool
  touch -d '2020-02-03 04:05:06.999999999' lib/large lib/empty`

/** Everything about a tree, as other programs tell it. The ctimes and the numbers of inodes are never the same again. */
export function stateOf(prefix: string): string {
  return execFileSync('sh', ['-euc', STATE, 'sh', prefix], {
    encoding: 'latin1',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  })
}

const STATE = `cd "$1"
  find . -printf '%P\\0%y %m %T@ %l %n %U %G\\n' | sed 's/\\x00\\(d [^ ]* [^ ]* \\).*/\\x00\\1/' | LC_ALL=C sort
  find . -type f -size -1 -o -type f -readable -exec sha256sum {} + | LC_ALL=C sort
  find bin -type f -printf '%i ' | tr ' ' '\\n' | sort | uniq -c | sed 's/[0-9]*$//'`

export interface Retirement {
  root: string
  prefix: string
  archive: string
  local: string
  env: Record<string, string>
  /** What is beside the environment and its archive. */
  debris(): string[]
}

/** Everything is brought to disk again and again, which takes long on a busy one. */
const FAST = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export function retirement(context: TestContext, folder = FAST): Retirement {
  const root = mkdtempSync(join(folder, 'retire-'))
  context.after(() => {
    execFileSync('chmod', ['-R', 'u+rwX', root])
    rmSync(root, { recursive: true })
  })
  const prefix = `${root}/envs/my env`
  makeEnvironment(prefix)
  const local = `${root}/local`
  for (const each of [local, `${root}/home`]) mkdirSync(each)
  const env = { HOME: `${root}/home`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  const archive = `${prefix}.retired.tar.zst`
  const known = [prefix, archive]
  const beside = dirname(prefix)
  const debris = () =>
    readdirSync(beside)
      .map((name) => `${beside}/${name}`)
      .filter((path) => !known.includes(path))
  return { root, prefix, archive, local, env, debris }
}
