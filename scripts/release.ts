/**
 * Makes the release for people who have no npm: `node scripts/release.ts [x64|arm64] [--one-file]`, from dist/ as it is. In release/
 * it writes conda-stage-VERSION-linux-ARCH.tar.gz, or with --one-file a program that holds all of it, and SHA256SUMS. The
 * same dist/ gives the same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { completableOptions } from '../src/cli/command-line.ts'
import { COMPLETION_SHELLS, type CompletionShell, completion } from '../src/completion/completion.ts'
import { programVersion } from '../src/platform/program.ts'
import { compileLibatomic } from './libatomic.ts'
import { manPage } from './man-page.ts'

const ROOT = join(import.meta.dirname, '..')

export type Arch = 'x64' | 'arm64'

interface What {
  arch: Arch
  /** The program as `npm run build` makes it. */
  dist: string
  /** Of gzip. Default 6: 9 takes three times as long for 1%. */
  level?: number
}

const nameOf = (arch: Arch): string => `conda-stage-${programVersion()}-linux-${arch}`

/** Where each shell looks for completions below share/. */
const COMPLETIONS: Record<CompletionShell, string> = {
  bash: 'bash-completion/completions/conda-stage',
  zsh: 'zsh/site-functions/_conda-stage',
  fish: 'fish/vendor_completions.d/conda-stage.fish',
}

/** Writes the folder `bin/ libexec/ share/` with its installer, packed. Returns the file's path. */
export function writeRelease(out: string, { arch, dist, level = 6 }: What): string {
  const name = nameOf(arch)
  return inTemporary((folder) => {
    const release = join(folder, name)
    layProgram(join(release, 'libexec/conda-stage'), arch, dist)
    mkdirSync(join(release, 'bin'))
    symlinkSync('../libexec/conda-stage/bin/conda-stage', join(release, 'bin/conda-stage'))
    laySharedFiles(join(release, 'share'))
    copyFileSync(join(ROOT, 'packaging/release/install.sh'), join(release, 'install.sh'))
    copyFileSync(join(ROOT, 'LICENSE'), join(release, 'LICENSE'))
    return write(join(out, `${name}.tar.gz`), packed(folder, [name], level))
  })
}

/** Writes the launcher with the packed program behind it, as one program. Returns the file's path. */
export function writeOneFile(out: string, { arch, dist, level = 6 }: What): string {
  return inTemporary((folder) => {
    layProgram(folder, arch, dist)
    const program = packed(folder, readdirSync(folder).sort(), level)
    const file = write(join(out, nameOf(arch)), Buffer.concat([head(arch, program), program]))
    chmodSync(file, 0o755)
    return file
  })
}

/** What npm would install: the package's files, and Node. Its C headers are of no use here. libatomic is, on bare machines. */
function layProgram(folder: string, arch: Arch, dist: string): void {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] }
  const always = ['package.json', 'README.md', 'LICENSE']
  for (const name of [...always, ...files.filter((name) => name !== 'dist' && !name.startsWith('!'))])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  cpSync(dist, join(folder, 'dist'), { recursive: true })
  for (const name of files.filter((name) => name.startsWith('!'))) rmSync(join(folder, name.slice(1)), { force: true })
  const otherCode = globSync('dist/program.cjs.v*', { cwd: folder }).filter((name) => !name.endsWith(`-${arch}`))
  for (const name of otherCode) rmSync(join(folder, name))
  const node = `node_modules/node-linux-${arch}`
  mkdirSync(join(folder, node, 'bin'), { recursive: true })
  const from = nodePackage(arch)
  for (const name of ['bin/node', 'LICENSE', 'package.json']) copyFileSync(join(from, name), join(folder, node, name))
  compileLibatomic(join(folder, node, 'lib'), arch)
}

/** Node's package: npm installs the one of this machine. The other one is fetched, and must be what the lock file says. */
function nodePackage(arch: Arch): string {
  const installed = join(ROOT, `node_modules/node-linux-${arch}`)
  if (existsSync(installed)) return installed
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const { version, integrity } = lock.packages[`node_modules/node-linux-${arch}`]
  const folder = join(ROOT, `release/node-linux-${arch}-${version}`)
  if (existsSync(join(folder, 'package'))) return join(folder, 'package')
  mkdirSync(folder, { recursive: true })
  const args = ['pack', '--silent', '--pack-destination', folder, `node-linux-${arch}@${version}`]
  const file = join(folder, execFileSync('npm', args, { encoding: 'utf8' }).trim())
  const got = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (got !== integrity) throw new Error(`${file} is ${got}, and package-lock.json has ${integrity}`)
  const aside = mkdtempSync(join(folder, 'new-'))
  execFileSync('tar', ['-xzf', file, '-C', aside])
  execFileSync('mv', [join(aside, 'package'), join(folder, 'package')])
  rmSync(aside, { recursive: true })
  rmSync(file)
  return join(folder, 'package')
}

function laySharedFiles(share: string): void {
  write(join(share, 'man/man1/conda-stage.1'), manPage())
  for (const shell of COMPLETION_SHELLS) write(join(share, COMPLETIONS[shell]), completion(shell, completableOptions()))
  cpSync(join(ROOT, 'share'), share, { recursive: true })
}

/** The launcher, which takes the program from behind itself. */
function head(arch: Arch, program: Buffer): Buffer {
  const launcher = readFileSync(join(ROOT, 'bin/conda-stage'), 'utf8').trimEnd().split('\n')
  const last = launcher.pop()!
  const digest = createHash('sha256').update(program).digest('hex').slice(0, 12)
  const values: Record<string, string> = {
    ARCH: arch,
    NAME: `program-${programVersion()}-${arch}-${digest}`,
    NODE: `node_modules/node-linux-${arch}/bin/node`,
  }
  const own = readFileSync(join(ROOT, 'packaging/release/one-file.sh'), 'utf8')
  const text = [...launcher, own, last, 'exit', '']
    .join('\n')
    .replaceAll(/@(ARCH|NAME|NODE)@/g, (_, name: string) => values[name]!)
  // As long as the mark, so that it does not change what it tells.
  const offset = String(Buffer.byteLength(text) + 1).padStart('@OFFSET@'.length, '0')
  return Buffer.from(text.replace('@OFFSET@', offset))
}

/** A tar.gz of which no byte depends on when, where or by whom it is made. */
function packed(folder: string, names: string[], level: number): Buffer {
  const same = ['--sort=name', `--mtime=@${date()}`, '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX']
  const args = [
    '--format=ustar',
    ...same,
    `--use-compress-program=gzip -n -${level}`,
    '-cf',
    '-',
    '-C',
    folder,
    ...names,
  ]
  return execFileSync('tar', args, { maxBuffer: 2 ** 30 })
}

/** In seconds since 1970. Source: SOURCE_DATE_EPOCH of reproducible-builds.org; else when the last change was committed. */
const date = (): string =>
  process.env.SOURCE_DATE_EPOCH ??
  execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }).trim()

function write(path: string, content: string | Buffer): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

function inTemporary<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'release-'))
  try {
    return body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** For `sha256sum --check`. */
function writeSums(out: string): void {
  const names = readdirSync(out)
    .filter((name) => /^conda-stage-.*-linux-/.test(name))
    .sort()
  const sums = names.map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(out, name)))
        .digest('hex')}  ${name}\n`,
  )
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''))
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const out = join(ROOT, 'release')
  const what = {
    arch: (args.find((arg) => arg === 'x64' || arg === 'arm64') ?? process.arch) as Arch,
    dist: join(ROOT, 'dist'),
  }
  const file = args.includes('--one-file') ? writeOneFile(out, what) : writeRelease(out, what)
  writeSums(out)
  process.stdout.write(`${file}\n`)
}
