import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { writeArchive } from '../../src/archive/writer.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { Entry } from '../../src/model/entry.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { indexBytes, keepIndex } from '../../src/stage/kept-index.ts'
import { composePlace } from '../../src/stage/place.ts'
import { removeTree } from '../../src/stage/remove-tree.ts'

/** A file's content, or what else stands there. Mode and mtime may be left out. */
export type Thing = (
  | { content: string | Buffer; placeholder?: { text: string; mode: 'text' | 'binary' } }
  | { symlink: string }
  | { hardlink: string }
  | { folder: true }
) & { mode?: number; mtimeNs?: bigint }

export const MTIME = 1_700_000_000_123_456_789n

/** A folder that goes away after the test, read-only things in it too. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(`${tmpdir()}/stage-test-`)
  context.after(() => removeTree(folder))
  return folder
}

/** An archive with these things in it, made by the real writer and open; folders that are not named are added. */
export async function smallArchive(
  context: TestContext,
  path: string,
  prefixes: string[],
  tree: Record<string, Thing>,
): Promise<{ archive: string; fd: number; index: ArchiveIndex }> {
  const things: Record<string, Thing> = { '': { folder: true } }
  for (const name of Object.keys(tree))
    for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1))
      things[name.slice(0, at)] = { folder: true }
  Object.assign(things, tree)
  const header = { name: 'env', prefixes, generator: 'test', platform: 'test', created: '2026-01-01T00:00:00Z' }
  await writeArchive({ path, format: 'tar.zst', threads: 1, header, items: items(things, prefixes) })
  const fd = openSync(path, 'r')
  context.after(() => closeSync(fd))
  return { archive: path, fd, index: await readIndex(path) }
}

async function* items(things: Record<string, Thing>, prefixes: string[]): AsyncGenerator<ArchiveItem> {
  for (const path of Object.keys(things).sort()) yield item(path, things[path]!, prefixes)
}

function item(path: string, thing: Thing, prefixes: string[]): ArchiveItem {
  const common = { path, mtimeNs: thing.mtimeNs ?? MTIME, mode: thing.mode ?? ('folder' in thing ? 0o755 : 0o644) }
  if ('folder' in thing) return { entry: { type: 'directory', ...common } }
  if ('symlink' in thing) return { entry: { type: 'symlink', ...common, target: thing.symlink } }
  if ('hardlink' in thing) return { entry: { type: 'hardlink', ...common, target: thing.hardlink } }
  const content = Buffer.from(thing.content)
  const placeholder = thing.placeholder && { placeholder: thing.placeholder }
  const entry: Entry = { type: 'file', ...common, size: content.length, ...placeholder }
  const scanner = new PrefixScanner(prefixes, { path, size: content.length, ...placeholder })
  scanner.push(content)
  const relocation = scanner.finish()
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 32)
  return { entry, content: { chunks: content, facts: () => ({ digest, ...(relocation && { relocation }) }) } }
}

/** A staged prefix below `base` of so many bytes, whose folder is there. */
export function newPrefix(base: string, length: number): string {
  const { folder, prefix } = composePlace(base, 'env', length)
  mkdirSync(folder, { mode: 0o700 })
  return prefix
}

/** An original prefix of so many bytes; it need not exist. */
export const originalOf = (length: number): string => `/net/${'o'.repeat(length - 9)}/env`

export async function keepIndexOf(archive: string, index: ArchiveIndex, folder: string): Promise<void> {
  const handle = await open(archive)
  await keepIndex(await indexBytes({ archive, handle }, index), folder)
  await handle.close()
}
