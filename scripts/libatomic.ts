import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, '../packaging/libatomic')

/** Debian's compilers for another kind of computer than this. */
const CROSS_COMPILERS = { x64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' }

const FLAGS = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-nostdlib', '-s']
const LINKER = [
  '-soname,libatomic.so.1',
  `--version-script,${SOURCE}/libatomic.map`,
  '--build-id=none',
  '-z,noexecstack',
]
// Else GCC would call functions of its own library for these.
const ARCH_FLAGS = { x64: [], arm64: ['-mno-outline-atomics'] }

/** Compiles libatomic.so.1 into a folder, for machines that lack it (packaging/libatomic). */
export function compileLibatomic(folder: string, arch: keyof typeof CROSS_COMPILERS): void {
  mkdirSync(folder, { recursive: true })
  const compiler = arch === process.arch ? 'gcc' : CROSS_COMPILERS[arch]
  const args = [
    ...FLAGS,
    ...ARCH_FLAGS[arch],
    ...LINKER.map((option) => `-Wl,${option}`),
    '-o',
    join(folder, 'libatomic.so.1'),
    join(SOURCE, 'libatomic.c'),
  ]
  try {
    execFileSync(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw error
    throw new Error(
      `${compiler} is missing. It compiles libatomic.so.1, without which Node does not start on bare systems.`,
    )
  }
}
