import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { decodeFrame } from '../../src/archive/reader.ts'
import { type WriteOptions, writeArchive } from '../../src/archive/writer.ts'
import type { ArchivedFile, ArchiveIndex } from '../../src/model/archive-index.ts'
import { bytePathOf, fsPath } from '../../src/model/byte-path.ts'
import type { Entry } from '../../src/model/entry.ts'
import type { ArchiveItem } from '../../src/model/item.ts'

export const run = promisify(execFile)
export const TAR_FORMATS = ['tar.zst', 'tar.gz', 'tar'] as const
export const FORMATS = [...TAR_FORMATS, 'zip'] as const

/** A folder in which an ordinary user can work too. It is removed after the test. */
export async function workFolder(context: TestContext): Promise<string> {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const folder = await mkdtemp(`${base}/archive-test-`)
  await chmod(folder, 0o777)
  context.after(async () => {
    await run('chmod', ['-R', 'u+rwx', folder]).catch(() => {})
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

export const HEADER: WriteOptions['header'] = {
  name: 'demo',
  prefixes: ['/envs/demo', '/real/envs/demo'],
  generator: 'conda-stage 0.0.0-test',
  platform: 'linux-64',
  created: '2026-11-22T15:10:23.000Z',
}

const MTIME = 1_700_000_000_000_000_000n
export const digestOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex').slice(0, 32)

export const directory = (path: string, facts: Partial<Entry> = {}): ArchiveItem => ({
  entry: { type: 'directory', path, mode: 0o755, mtimeNs: MTIME, ...facts } as Entry,
})

export const symlink = (path: string, target: string): ArchiveItem => ({
  entry: { type: 'symlink', path, target, mode: 0o777, mtimeNs: MTIME },
})

export const hardlink = (path: string, target: string, facts: Partial<Entry> = {}): ArchiveItem => ({
  entry: { type: 'hardlink', path, target, mode: 0o644, mtimeNs: MTIME, ...facts } as Entry,
})

export function file(path: string, data: Buffer | string, facts: Partial<ArchivedFile> = {}): ArchiveItem {
  const bytes = Buffer.from(data as string)
  const { relocation, ...others } = facts
  return {
    entry: { type: 'file', path, mode: 0o644, mtimeNs: MTIME, size: bytes.length, ...others } as Entry,
    content: {
      chunks: bytes,
      facts: () => ({ digest: digestOf(bytes), ...(relocation && { relocation }) }),
    },
  }
}

export async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

export async function pack(
  path: string,
  items: readonly ArchiveItem[],
  more: Partial<WriteOptions> = {},
): Promise<ArchiveIndex> {
  const format = FORMATS.find((name) => path.endsWith(`.${name}`)) ?? 'tar.zst'
  return (await writeArchive({ path, format, threads: 2, header: HEADER, items: each(items), ...more })).index
}

/** The content of every file, put together from the frames as an extractor does it. */
export function contentsOf(path: string, index: ArchiveIndex): Map<string, Buffer> {
  const archive = readFileSync(path)
  const frames = index.frames.map((frame) => {
    const stored = archive.subarray(frame.offset, frame.offset + frame.compressedSize)
    return decodeFrame(stored, { format: index.format, path }, frame)
  })
  const contents = new Map<string, Buffer>()
  for (const entry of index.entries) if (entry.type === 'file') contents.set(entry.path, contentOf(entry, frames))
  return contents
}

function contentOf({ frame, frameOffset, size }: ArchivedFile, frames: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (let [at, left, from] = [frame, size, frameOffset]; left > 0; at++, from = 0) {
    const part = frames[at]!.subarray(from, from + left)
    parts.push(part)
    left -= part.length
  }
  return Buffer.concat(parts)
}

/** Everything below a folder, one line each: what a user compares when asking for "the same tree". */
export async function listing(root: string, path = ''): Promise<string[]> {
  const full = fsPath(root, path)
  const stat = await lstat(full, { bigint: true })
  const mode = (Number(stat.mode) & 0o7777).toString(8)
  const common = `${JSON.stringify(path)} ${mode} ${stat.mtimeNs}`
  if (stat.isSymbolicLink()) return [`${JSON.stringify(path)} -> ${JSON.stringify(await readlink(full, 'latin1'))}`]
  if (stat.isFile()) return [`${common} file ${stat.nlink} ${digestOf(await readFile(full))}`]
  const names = (await readdir(full, { encoding: 'latin1' })).sort()
  const below = await Promise.all(names.map((name) => listing(root, path === '' ? name : `${path}/${name}`)))
  return [`${common} directory`, ...below.flat()]
}

/** The same lines for packed items. */
export function expectedListing(items: readonly ArchiveItem[]): string[] {
  const entries = new Map(items.map(({ entry }) => [entry.path, entry]))
  const links = items.flatMap(({ entry }) => (entry.type === 'hardlink' ? [entry.target] : []))
  const digest = (path: string) => items.find(({ entry }) => entry.path === path)!.content!.facts().digest
  const line = (path: string): string[] => {
    const entry = entries.get(path)!
    const common = `${JSON.stringify(path)} ${entry.mode.toString(8)} ${entry.mtimeNs}`
    if (entry.type === 'symlink') return [`${JSON.stringify(path)} -> ${JSON.stringify(entry.target)}`]
    if (entry.type !== 'directory') {
      const target = entry.type === 'hardlink' ? entry.target : path
      return [`${common} file ${links.filter((link) => link === target).length + 1} ${digest(target)}`]
    }
    const start = path === '' ? '' : `${path}/`
    const names = [...entries.keys()].filter((other) => other !== '' && other.startsWith(start))
    const children = names
      .map((other) => other.slice(start.length))
      .filter((name) => name !== '' && !name.includes('/'))
    return [`${common} directory`, ...children.sort().flatMap((name) => line(start + name))]
  }
  return line('')
}

/** An environment with everything that makes archives hard. */
export function hardTree(): ArchiveItem[] {
  const long = `share/${'long-folder-name/'.repeat(16)}${'n'.repeat(60)}`
  const folders = long
    .split('/')
    .slice(0, -1)
    .map((_, at, parts) => parts.slice(0, at + 1).join('/'))
  const later = MTIME + 123_456_789n
  return [
    directory('', { mode: 0o750, mtimeNs: later }),
    directory('bin', { mode: 0o555, mtimeNs: MTIME - 86_400_000_000_000n }),
    directory('bin-2'),
    directory('bin/deep', { mode: 0o555 }),
    directory('closed', { mode: 0o555 }),
    directory('closed-2'),
    directory('closed/hollow', { mode: 0o555 }),
    directory('lib', { mode: 0o1755 }),
    ...folders.map((path) => directory(path)),
    directory('empty', { mode: 0o500 }),
    file('bin/tool', '#!/envs/demo/bin/python\n', { mode: 0o755, mtimeNs: later }),
    file('bin/deep/read-only', 'x', { mode: 0o444 }),
    file('bin-2/empty', ''),
    file('lib/old', 'before 1970', { mtimeNs: -1_500_000_000n }),
    file('bin/setuid', 'mode', { mode: 0o4755 }),
    file(long, 'a path of more than 300 bytes'),
    file(`lib/${'l'.repeat(99)}`, 'name and folder fill the fields'),
    file(`lib/${'m'.repeat(120)}`, 'a name of more than 100 bytes'),
    file('lib/new\nline', 'newline'),
    file(bytePathOf('lib/Übergrößenträger-文'), 'UTF-8'),
    file('lib/latin-\xe9\xff', 'not UTF-8'),
    file('lib/-rf', 'leading dash'),
    file(" lib with 'quotes' and $HOME", 'blanks'),
    file('lib/random', randomBytes(1_500_000)),
    hardlink('bin/tool-link', 'bin/tool', { mode: 0o755, mtimeNs: later }),
    hardlink('lib/long-link', long),
    symlink('lib64', 'lib'),
    symlink('bin/out', '/usr/bin/env'),
    symlink('top', '/usr'),
    symlink('lib/absolute', '/envs/demo/bin/tool'),
    symlink('lib/dangling', `${'../'.repeat(50)}nowhere`),
    symlink('lib/cycle', 'cycle'),
    symlink('lib/\xfflink', 'latin-\xe9\xff'),
  ]
}
