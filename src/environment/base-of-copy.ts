import { readlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { IN_A_COPY, LINKS_OF_BASE } from '../model/copy-of-base.ts'

/** The base that this one is a copy of, if it is one: a session may have its conda from there. Else the base itself. */
export async function originalBase(base: string): Promise<string> {
  const [name] = LINKS_OF_BASE as [string]
  if (!IN_A_COPY.test(base)) return base
  const target = await readlink(`${base}/${name}`).catch(() => '')
  return basename(target) === name ? dirname(target) : base
}
