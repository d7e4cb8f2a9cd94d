/** Folders that hold a whole small system, for a change of root into them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '../cli/world.ts'

/** What the one file unpacks itself with. */
const PROGRAMS = ['env', 'gzip', 'id', 'mkdir', 'mktemp', 'mv', 'rm', 'tail', 'tar', 'tr', 'true']

/** A bare x64 system: these programs, a static shell, glibc and libstdc++. Its libatomic is missing. */
export function bareMachine(context: TestContext): string {
  const root = newRoot(context)
  const programs = PROGRAMS.map((name) => join('/usr/bin', name))
  for (const path of programs) put(root, path, join('/usr/bin', basename(path)))
  for (const path of neededBy([...programs, process.execPath]))
    if (!path.includes('libatomic')) put(root, path, path.replace(/^\/usr/, ''))
  return root
}

/** A bare system for arm64, of Debian's libraries for a cross compiler. Its shell is that of this machine. */
export function arm64Machine(context: TestContext): string {
  const root = newRoot(context)
  const from = '/usr/aarch64-linux-gnu/lib'
  for (const name of readdirSync(from).filter((name) => /^lib(c|m|dl|pthread|gcc_s|stdc\+\+)\.so/.test(name)))
    put(root, join(from, name), join('/lib/aarch64-linux-gnu', name))
  put(root, join(from, 'ld-linux-aarch64.so.1'), '/lib/ld-linux-aarch64.so.1')
  return root
}

function newRoot(context: TestContext): string {
  const root = join(temporaryFolder(context), 'root')
  for (const name of ['dev', 'proc', 'root', 'tmp', 'scratch']) mkdirSync(join(root, name), { recursive: true })
  put(root, '/bin/bash-static', '/bin/bash')
  symlinkSync('bash', join(root, 'bin/sh'))
  return root
}

function put(root: string, from: string, to: string): void {
  mkdirSync(dirname(join(root, to)), { recursive: true })
  if (!existsSync(join(root, to))) copyFileSync(from, join(root, to))
}

/** The loader, too. */
function neededBy(programs: string[]): Set<string> {
  const text = execFileSync('ldd', programs, { encoding: 'utf8' })
  return new Set([...text.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, path]) => path!))
}

/** The kernel hands programs for arm64 to qemu, in namespaces of our own only (Linux 6.7). */
const EMULATION = String.raw`
  mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
  printf %s ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' \
    > /proc/sys/fs/binfmt_misc/register`

interface On {
  emulated?: boolean
  env?: Record<string, string>
}

/** Runs a command as on a machine of its own. */
export function on(root: string, command: string[], { emulated = false, env = {} }: On = {}) {
  const enter = `${emulated ? EMULATION : ''}
    mount --rbind /dev "$0/dev"
    mount -t proc proc "$0/proc"
    exec chroot "$0" "$@"`
  const args = ['-rmpf', '--propagation=private', 'sh', '-ec', enter, root, ...command]
  const all = { HOME: '/root', PATH: '/usr/bin:/usr/sbin:/bin:/sbin', ...env }
  const { status, stdout, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8', env: all, timeout: 300_000 })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}
