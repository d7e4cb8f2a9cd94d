/** A small environment of an ordinary user, on a machine whose /dev/fuse is open to them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { copiedWorld, LAUNCHER, type World } from '../cli/world.ts'
import { ALICE } from '../platform/other-users.ts'

export interface OpenWorld extends World {
  /** What each script of this world may use: LAUNCHER, ORIGINAL, LOCAL, and the functions of `PRELUDE`. */
  variables: Record<string, string>
}

export interface Ended {
  status: number | null
  /** Standard output, in lines. */
  lines: string[]
  stderr: string
}

export async function openWorld(context: TestContext): Promise<OpenWorld> {
  const world = await copiedWorld(context)
  mkdirSync(`${world.root}/cache`)
  // Something for the relocator to change, in a large file and a small one.
  writeFileSync(`${world.prefix}/etc/small.cfg`, `home = ${world.prefix}/lib\n`)
  writeFileSync(`${world.prefix}/etc/large.cfg`, `prefix = ${world.prefix}\n${'#'.repeat(1000)}\n`.repeat(6000))
  symlinkSync(`${world.prefix}/etc/small.cfg`, `${world.prefix}/etc/absolute`)
  execFileSync('chown', ['-R', `${ALICE}:${ALICE}`, world.root])
  const variables = { LAUNCHER, ORIGINAL: world.prefix, LOCAL: world.local, CACHE: `${world.root}/cache/conda-stage` }
  return { ...world, variables }
}

/**
 * Its own mounts and processes: whatever a test leaves goes with it. fusermount3 wants to know the user's name. The last program is
 * the user's, who can read this checkout wherever it lies, and start set-uid programs.
 */
const MACHINE = `mount -t tmpfs -o mode=755 tmpfs /mnt
mknod /mnt/fuse c 10 229
chmod 666 /mnt/fuse
mount --bind /mnt/fuse /dev/fuse
cat /etc/passwd > /mnt/passwd
echo alice:x:${ALICE}:${ALICE}::/:/bin/sh >> /mnt/passwd
mount --bind /mnt/passwd /etc/passwd
eval "$1"
shift
exec setpriv --reuid=${ALICE} --regid=${ALICE} --groups=${ALICE} --inh-caps=-all,+dac_read_search \\
  --ambient-caps=-all,+dac_read_search -- "$@"`

const IN_MACHINE = ['-m', '-p', '--fork', '--kill-child', '--mount-proc', '--propagation=private', 'sh', '-euc']

/** `mounts` counts the mounted images, `servers` lists their programs, `until` waits until a command succeeds, for some seconds. */
const PRELUDE = `
stage() { "$LAUNCHER" --mount --prefix="$ORIGINAL" --path="$LOCAL" "$@"; }
mounts() { grep -c " $LOCAL/.* fuse.squashfuse_ll " /proc/self/mountinfo || :; }
servers() { grep -lsx squashfuse_ll /proc/[0-9]*/comm | cut -d/ -f3 | while read -r pid; do
  if grep -qs '^State:.[^Z]' "/proc/$pid/status"; then echo "$pid"; fi; done; }
until_it() { for try in $(seq 200); do eval "$1" && return; sleep 0.05; done; echo "never: $1" >&2; return 1; }
`

/**
 * Runs a script of the user's, by bash unless another program is named.
 * @param before commands of root on that machine
 */
export function asUser(
  { env, variables }: OpenWorld,
  script: string,
  {
    program = ['bash', '-euc'],
    before = ':',
    more = {},
  }: { program?: readonly string[]; before?: string; more?: Record<string, string> } = {},
): Ended {
  const text = program[0] === 'bash' ? PRELUDE + script : script
  const command = [...IN_MACHINE, MACHINE, 'sh', before, ...program, text]
  const { status, stdout, stderr, error } = spawnSync('unshare', command, {
    encoding: 'utf8',
    cwd: '/',
    env: { ...env, ...variables, ...more },
    timeout: 60_000,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (error !== undefined) throw error
  return { status, lines: stdout.split('\n').slice(0, -1), stderr }
}
