/** An ordinary user on a node, who runs commands with a copy in the original's own place. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { copiedWorld, type Ended, type RunOptions, startCommand, type World } from '../cli/world.ts'
import { built } from '../fixtures/installed.ts'

/** Nobody needs to know that number. */
const UID = 54_321

const IS_ROOT = process.getuid?.() === 0

/** Goes in front of a command that an ordinary user runs. The environment belongs to somebody else then, as a group's does. */
const AS_USER = IS_ROOT
  ? ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--inh-caps=-all', '--']
  : []

/** Only root can have a namespace with several users, of whom one may set a limit for the others. */
export const NEEDS_ROOT = IS_ROOT ? false : 'only root can make a place without user namespaces for another user'

/**
 * The same where no user namespace can be made, as a site has it with user.max_user_namespaces=0: in a namespace of root's, which
 * has all users' numbers.
 */
const WITHOUT_NAMESPACES = [
  'sh',
  '-c',
  `(until ! [ /proc/$$/ns/user -ef /proc/self/ns/user ]; do :; done
    echo '0 0 65536' > /proc/$$/uid_map; echo '0 0 65536' > /proc/$$/gid_map) &
  exec unshare -U sh -c 'until read -r _ < /proc/self/gid_map; do :; done; exec "$@"' sh \
    sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"' sh "$@"`,
  'sh',
]

export interface Node extends World {
  launcher: string
  start(args: readonly string[], options?: RunOptions): { child: ChildProcess; ended: Promise<Ended> }
  exec(args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Runs any command as that user. */
  under(command: readonly string[], options?: RunOptions): Promise<Ended>
  /** As `exec`, where no namespace can be made. */
  execWithout(args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Go in front of a command that may open /dev/fuse, as on most machines, or may not. */
  withFuse: readonly string[]
  withoutFuse: readonly string[]
  /** The command lines of the user's processes that have to do with this test. */
  processes(): string
  /** The folders of copies. */
  copies(): string[]
  /** Waits until no copy is left. */
  isEmpty(): Promise<boolean>
}

/** The program as the package ships it, with its Node, where any user may read it. */
async function installedForAll(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'mount-'))
  process.once('exit', () => rmSync(root, { recursive: true }))
  const checkout = join(import.meta.dirname, '../..')
  for (const name of ['bin', 'package.json']) cpSync(join(checkout, name), join(root, name), { recursive: true })
  cpSync(process.execPath, join(root, 'node'))
  await built(join(root, 'dist'))
  chmodSync(root, 0o755)
  return join(root, 'bin/conda-stage')
}

/** The device with this mode, for one command. The machine's own stays as it is. */
const fuse = (folder: string, mode: string): string[] => [
  ...['unshare', '-m', '--propagation=private', 'sh', '-ec'],
  'mknod -m "$2" "$1" c 10 229; mount --bind "$1" /dev/fuse; rm "$1"; shift 2; exec "$@"',
  ...['sh', `${folder}/fuse`, mode],
]

let installed: Promise<string> | undefined

/** @param world the environment belongs to whoever runs the tests; all else to the user */
export async function nodeWith(context: TestContext): Promise<Node> {
  installed ??= installedForAll()
  const [launcher, world] = [await installed, await copiedWorld(context)]
  const { root, local, prefix } = world
  chmodSync(root, 0o755)
  mkdirSync(`${root}/cache`)
  if (IS_ROOT) for (const folder of [local, `${root}/cache`, `${root}/home/me`]) chownSync(folder, UID, UID)
  const env = {
    ...world.env,
    CONDA_STAGE_NODE: join(launcher, '../../node'),
    CONDA_STAGE_PATH: local,
    SHELL: '/bin/sh',
  }
  const active = {
    CONDA_PREFIX: prefix,
    CONDA_DEFAULT_ENV: 'myjupyter',
    CONDA_SHLVL: '1',
    PATH: `${prefix}/bin:${world.env.PATH}`,
  }
  const place = { ...world, env: { ...env, ...active } }
  const start: Node['start'] = (args, options = {}) =>
    startCommand(place, [...(options.inside ?? []), ...AS_USER, launcher, '--no-skip-local', ...args], {
      ...options,
      inside: [],
    })
  const exec: Node['exec'] = (args, options) => start(args, options).ended
  const copies = () => readdirSync(local).filter((name) => !name.startsWith('.'))
  return {
    ...place,
    launcher,
    start,
    exec,
    under: (command, options = {}) => startCommand(place, [...AS_USER, ...command], options).ended,
    execWithout: (args, options) => exec(args, { ...options, inside: WITHOUT_NAMESPACES }),
    withFuse: fuse(root, '666'),
    withoutFuse: fuse(root, '600'),
    processes() {
      const { stdout } = spawnSync('ps', ['-u', `${IS_ROOT ? UID : process.getuid!()}`, '-o', 'args='], {
        encoding: 'utf8',
      })
      // Other tests run at the same time, as the same user.
      const own = [root, dirname(dirname(launcher))]
      return stdout
        .split('\n')
        .filter((line) => own.some((folder) => line.includes(folder)))
        .join('\n')
    },
    copies,
    async isEmpty() {
      for (let tries = 0; tries < 200 && readdirSync(local).length > 0; tries++) await pause(50)
      return readdirSync(local).length === 0
    },
  }
}
