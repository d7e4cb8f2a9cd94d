import { hash } from 'node:crypto'
import type { FileEntry } from '../model/entry.ts'
import type { Facts, Scanner } from '../model/item.ts'
import type { ListedName } from '../model/listed.ts'
import type { FileFacts } from './read-file.ts'

/** Hex digits of 16 bytes. */
export const DIGEST_LENGTH = 32

export function fileEntry(name: ListedName, { size, mode, mtimeNs }: FileFacts): FileEntry {
  const { path, package: owner, placeholder } = name
  const recorded = { ...(owner !== undefined && { package: owner }), ...(placeholder && { placeholder }) }
  return { type: 'file', path, mode, mtimeNs, size, ...recorded }
}

/** @param scanner to which nothing was shown yet */
export function factsOfWhole(content: Buffer, scanner: Scanner): Facts {
  scanner.push(content)
  return factsOf(hash('sha256', content, 'hex'), scanner)
}

/** @param digest SHA-256 of all the content, in hex */
export function factsOf(digest: string, scanner: Scanner): Facts {
  const relocation = scanner.finish()
  const short = { digest: digest.slice(0, DIGEST_LENGTH) }
  return relocation === undefined ? short : { ...short, relocation }
}
