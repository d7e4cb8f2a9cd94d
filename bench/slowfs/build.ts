import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { arch, homedir } from 'node:os'
import { join } from 'node:path'

const source = import.meta.dirname
const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-pthread']

/**
 * Returns the path of the compiled file system. Builds it if its source has changed since the last call. As root, missing Debian
 * packages are installed.
 *
 * @throws Error that names what is missing: the compiler or, for an ordinary user, the set-uid fusermount3.
 */
export function buildSlowfs(): string {
  const files = globSync('*.{c,h}', { cwd: source }).sort()
  const hash = createHash('sha256').update([arch(), ...flags].join())
  for (const file of files) hash.update(file).update(readFileSync(join(source, file)))
  const folder = join(cacheFolder(), `slowfs-${hash.digest('hex').slice(0, 16)}`)
  const program = join(folder, 'slowfs')
  if (!isRoot() && !has('fusermount3')) throw new Error('slowfs needs fusermount3: install the Debian package fuse3')
  if (!existsSync(program)) {
    provideCompiler()
    compile(
      files.filter((file) => file.endsWith('.c')),
      folder,
      program,
    )
  }
  return program
}

/**
 * Why nobody can mount a slow file system here, as a reason to skip tests: the kernel gives no /dev/fuse. Otherwise undefined.
 * @throws Error if only the program can't be built: that is no reason to skip tests.
 */
export function slowfsUnavailable(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (error) {
    return (error as Error).message
  }
  buildSlowfs()
  return undefined
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'conda-stage-tests')
}

/** Compiles to another name and renames, so that tests that start together never run half a program. */
function compile(files: string[], folder: string, program: string): void {
  mkdirSync(folder, { recursive: true })
  const aside = mkdtempSync(join(folder, '.build-'))
  try {
    const built = join(aside, 'slowfs')
    run('gcc', [...flags, '-o', built, ...files.map((file) => join(source, file))])
    renameSync(built, program)
  } finally {
    rmSync(aside, { recursive: true })
  }
}

function provideCompiler(): void {
  if (has('gcc') && existsSync('/usr/include/linux/fuse.h')) return
  if (!isRoot() || !has('apt-get')) {
    throw new Error('slowfs needs a C compiler: install the Debian packages gcc and libc6-dev')
  }
  run('apt-get', ['update', '-q'])
  run('apt-get', ['install', '-qy', '--no-install-recommends', 'gcc', 'libc6-dev'])
}

function run(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`)
}

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
}

function isRoot(): boolean {
  return process.geteuid?.() === 0
}

if (import.meta.main) console.log(buildSlowfs())
