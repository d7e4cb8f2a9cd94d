/** The one list of what tests and demo need from the system, and how to install it. */
import { spawnSync } from 'node:child_process'

interface Prerequisite {
  /** Debian's package. */
  package: string
  /** A command that succeeds if it is installed. */
  probe: [string, ...string[]]
}

const program = (name: string, packageName = name): Prerequisite => ({
  package: packageName,
  probe: ['sh', '-c', `command -v ${name}`],
})

/** Its folder is not in the PATH of ordinary users. */
const daemon = (name: string, packageName: string): Prerequisite => ({
  package: packageName,
  probe: ['sh', '-c', `PATH=$PATH:/usr/sbin; command -v ${name}`],
})

const header = (name: string, packageName: string): Prerequisite => ({
  package: packageName,
  probe: ['gcc', '-fsyntax-only', '-include', name, '-x', 'c', '/dev/null'],
})

const VENV: Prerequisite = {
  package: 'python3-venv',
  probe: ['sh', '-c', '/usr/bin/python3 -c "import ensurepip" || python3 -c "import ensurepip"'],
}

/** For the demonstration: pip, or a virtual environment that has it. */
const DEMO: Prerequisite[] = [
  program('python3'),
  { ...VENV, probe: ['sh', '-c', `/usr/bin/python3 -m pip --version || ${VENV.probe[2]}`] },
]

/** To build the test environments: a virtual environment for rattler, and CPython from source. */
const BUILDING: Prerequisite[] = [
  program('gcc'),
  program('make'),
  program('xz', 'xz-utils'),
  program('bzip2'),
  VENV,
  header('stdlib.h', 'libc6-dev'),
  header('zlib.h', 'zlib1g-dev'),
  header('bzlib.h', 'libbz2-dev'),
  header('lzma.h', 'liblzma-dev'),
  header('ffi.h', 'libffi-dev'),
  header('openssl/ssl.h', 'libssl-dev'),
  header('sqlite3.h', 'libsqlite3-dev'),
]

/** What the tests run besides: all supported shells, and tools that check results from outside. */
const TESTING: Prerequisite[] = [
  program('bash'),
  program('zsh'),
  program('dash'),
  program('fish'),
  program('tcsh'),
  program('bsd-csh', 'csh'), // not supported; conda-stage says so
  // Further kinds of POSIX sh, for what they do with the variables of an environment.
  program('mksh'),
  program('ksh93', 'ksh93u+m'),
  program('busybox'),
  program('yash'),
  program('git'),
  program('strace'),
  // Has reflinks.
  daemon('mkfs.btrfs', 'btrfs-progs'),
  program('systemd-tmpfiles', 'systemd'),
  program('zstd'),
  program('tar'),
  program('gzip'),
  program('zip'),
  program('unzip'),
  program('bsdtar', 'libarchive-tools'),
  program('mksquashfs', 'squashfs-tools'),
  program('tar2sqfs', 'squashfs-tools-ng'),
  program('squashfuse_ll', 'squashfuse'),
  program('fusermount3', 'fuse3'),
  program('file'),
  program('mandoc'),
  program('readelf', 'binutils'),
  program('unshare', 'util-linux'),
  program('script', 'bsdutils'),
  program('ps', 'procps'),
  program('setfacl', 'acl'),
  daemon('mkfs.btrfs', 'btrfs-progs'), // a disk with quotas
  { package: 'lmod', probe: ['test', '-e', '/usr/share/lmod/lmod/init/bash'] },
  program('lua5.3'),
  program('tclsh', 'tcl'),
  program('sbatch', 'slurm-wlm'),
  daemon('slurmctld', 'slurm-wlm'),
  daemon('slurmd', 'slurm-wlm'),
  daemon('munged', 'munge'),
  program('ssh', 'openssh-client'),
  daemon('sshd', 'openssh-server'),
  program('mpirun.openmpi', 'openmpi-bin'),
  program('mpirun.mpich', 'mpich'),
  program('chromium'), // looks at the report
  // What starts wrappers.
  daemon('cron', 'cron'),
  program('parallel'),
  // Bare machines, and those of another kind.
  program('bash-static'),
  program('aarch64-linux-gnu-gcc', 'gcc-aarch64-linux-gnu'),
  program('qemu-aarch64-static', 'qemu-user-static'),
  program('java', 'default-jre-headless'), // runs Nextflow
  program('mvn', 'maven'), // fetches it
  program('erb', 'ruby'), // what Open OnDemand's templates are written in
]

const isThere = ({ probe: [command, ...args] }: Prerequisite): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** Installs what is missing if that is possible (root, apt-get). Otherwise throws with the names of what is missing. */
export function ensurePrerequisites(purpose: 'demo' | 'tests'): void {
  const needed = purpose === 'demo' ? DEMO : [...BUILDING, ...TESTING]
  const missing = needed.filter((item) => !isThere(item))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((item) => item.package))]
  if (process.getuid?.() === 0 && isThere(program('apt-get'))) install(packages)
  // A header needs its compiler, so look again.
  const left = [...new Set(needed.filter((item) => !isThere(item)).map((item) => item.package))]
  if (left.length > 0) throw new Error(`Missing on this machine (Debian's package names): ${left.join(' ')}`)
}

function install(packages: string[]): void {
  const list = packages.join(' ')
  process.stderr.write(`Installing Debian packages: ${list} (to remove them: apt-get purge --autoremove ${list}) ...\n`)
  const before = alternatives()
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 2, 2], env })
    if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed.`)
  }
  // tcsh and csh both want to be csh: what the machine had stays.
  for (const [name, choice] of alternatives())
    if ((before.get(name) ?? choice) !== choice) spawnSync('update-alternatives', ['--set', name, before.get(name)!])
}

/** What the names stand for that several packages provide. */
function alternatives(): Map<string, string> {
  const { stdout } = spawnSync('update-alternatives', ['--get-selections'], { encoding: 'utf8' })
  const lines = (stdout ?? '').trim().split('\n')
  return new Map(lines.map((line) => line.split(/\s+/)).map(([name = '', , choice = '']) => [name, choice]))
}
