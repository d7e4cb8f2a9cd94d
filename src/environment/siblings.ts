import { basename, dirname } from 'node:path'
import { ARCHIVE_FORMATS } from '../model/archive-index.ts'
import type { Siblings } from '../model/relocation.ts'
import { readdir } from '../platform/remote-fs.ts'
import { type Environment, prefixesOf } from './find.ts'

/** Endings of our archives. One stands beside the environment sooner or later, which must not change the evidence. */
const ARCHIVES = ARCHIVE_FORMATS.map((format) => `.${format}`)

/** The environment with the evidence for other paths that begin like its own: one listing of each parent folder. */
export async function withSiblings(environment: Environment): Promise<Environment & { siblings: Siblings }> {
  const siblings = await Promise.all(prefixesOf(environment).map(siblingsOf))
  return { ...environment, siblings }
}

async function siblingsOf(prefix: string): Promise<string[] | null> {
  const name = basename(prefix)
  const names = await readdir(dirname(prefix)).catch(() => undefined)
  if (names === undefined) return null
  const ends = names.flatMap((other) => (other.startsWith(name) && other !== name ? [other.slice(name.length)] : []))
  return [...new Set([...ends, ...ARCHIVES])].sort()
}
