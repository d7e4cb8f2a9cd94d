import { hash } from 'node:crypto'
import { digestFrom } from '../model/digest.ts'
import type { FileEntry } from '../model/entry.ts'
import type { Facts, Scanner } from '../model/item.ts'
import type { ListedName } from '../model/listed.ts'
import type { FileFacts } from './open-file.ts'

export function fileEntry(name: ListedName, { size, mode, mtimeNs }: FileFacts): FileEntry {
  const { path, package: owner, placeholder } = name
  const recorded = { ...(owner !== undefined && { package: owner }), ...(placeholder && { placeholder }) }
  return { type: 'file', path, mode, mtimeNs, size, ...recorded }
}

/** @param scanner that has seen nothing yet */
export function factsOfWhole(content: Buffer, scanner: Scanner): Facts {
  scanner.push(content)
  return factsOf(hash('sha256', content, 'hex'), scanner)
}

/**
 * @param sha256 of all the content, in hex
 * @param scanner that has seen all of it
 */
export function factsOf(sha256: string, scanner: Scanner): Facts {
  const relocation = scanner.finish()
  return { digest: digestFrom(sha256), ...(relocation && { relocation }) }
}
