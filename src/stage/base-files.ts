import { lstatSync, readlinkSync, symlinkSync } from 'node:fs'
import type { BytePath } from '../model/byte-path.ts'
import { fsPath } from '../model/byte-path.ts'
import { LINKS_OF_BASE } from '../model/copy-of-base.ts'
import { isFileWith, type OwnFile, whileWritable } from './own-files.ts'

/** conda reads it from where it runs (`SEARCH_PATH` in conda/base/constants.py), before the user's own configuration. */
export const CONDARC: BytePath = 'condarc.d/conda-stage.yml'

/** conda itself is in this base: then its copy can be what a session's conda runs from. */
export const CONDA_PROGRAM: BytePath = 'bin/conda'

/**
 * conda that runs from a copy of a base works for the original: its environments, its package cache, and what `conda activate base`
 * activates (`Context.root_prefix` in conda/base/context.py). Only where conda is called stays the copy.
 */
export const condarcOf = (original: string): OwnFile => ({
  path: CONDARC,
  text: `# This is a copy that conda-stage made. conda takes its original for the base.\nroot_prefix: ${JSON.stringify(original)}\n`,
})

/**
 * The folders that were left out of a copy of a base. So whatever looks for them beside conda's program, or is told in a file of the
 * base where an environment is (a kernel, for instance), finds those of the original. What the original has not, it may get.
 * @returns the paths of those that were added
 */
export function addLinksOfBase(prefix: string, original: string): BytePath[] {
  return LINKS_OF_BASE.filter((name) => {
    const path = fsPath(prefix, name)
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false
    whileWritable(fsPath(prefix, ''), () => symlinkSync(`${original}/${name}`, path))
    return true
  })
}

/** Whether conda-stage has put this into a copy of a base, as it is. */
export function isOwnOfBase({ prefix, original }: { prefix: string; original: string }, path: BytePath): boolean {
  const facts = lstatSync(fsPath(prefix, path))
  if (LINKS_OF_BASE.includes(path))
    return facts.isSymbolicLink() && readlinkSync(fsPath(prefix, path)).toString() === `${original}/${path}`
  if (facts.isDirectory()) return CONDARC.startsWith(`${path}/`)
  return path === CONDARC && isFileWith(prefix, condarcOf(original))
}
