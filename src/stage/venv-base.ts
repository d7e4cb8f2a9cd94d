import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readlinkSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import type { ArchivedEntry } from '../model/archive-index.ts'
import { type BytePath, fsPath } from '../model/byte-path.ts'
import { digestFrom } from '../model/digest.ts'
import { whileWritable } from './own-files.ts'

/** A copy of the Python that a virtual environment was made from. */
export interface BaseCopy {
  /** `sys.base_prefix` in the original environment, as pyvenv.cfg has it. */
  original: string
  /** The same with symbolic links resolved. */
  real: string
  /** The copy of it. */
  prefix: string
}

export const PYVENV_CFG: BytePath = 'pyvenv.cfg'

/** What venv (home, executable) and virtualenv (the others) write about the base. */
const OF_BASE = /^(\s*(?:home|executable|base-prefix|base-exec-prefix|base-executable)\s*=\s*)(\/.*?)(\s*)$/i

/**
 * Has a copy of a virtual environment start the copy of its base: `home` says where the standard library is, and the links in `bin`
 * lead to the interpreter.
 * @returns the digest of pyvenv.cfg
 */
export function leadToBase(prefix: string, entries: readonly ArchivedEntry[], base: BaseCopy): string {
  const text = readFileSync(`${prefix}/${PYVENV_CFG}`, 'latin1')
  const lines = text
    .split('\n')
    .map((line) => line.replace(OF_BASE, (_, key, path, end) => key + inCopy(path, base) + end))
  const content = Buffer.from(lines.join('\n'), 'latin1')
  const { mode } = lstatSync(`${prefix}/${PYVENV_CFG}`)
  exchange(prefix, PYVENV_CFG, (aside) => writeFileSync(aside, content, { mode }))
  for (const { path, type } of entries) {
    if (type !== 'symlink' || !/^bin\/[^/]+$/.test(path)) continue
    const target = readlinkSync(fsPath(prefix, path), 'latin1')
    const moved = target.startsWith('/') ? inCopy(target, base) : target
    if (moved !== target) exchange(prefix, path, (aside) => symlinkSync(Buffer.from(moved, 'latin1'), aside))
  }
  return digestFrom(createHash('sha256').update(content).digest('hex'))
}

/** Whether a link leads into the copy of the base, as `leadToBase` makes it. */
export const isOfBase = (target: BytePath, base: BaseCopy | undefined): boolean =>
  base !== undefined && isWithin(target, base.prefix)

/** A path in latin1 that leads into the base, also by links elsewhere (`~/.local/bin/python3.12`), in its copy. */
function inCopy(path: string, { original, real, prefix }: BaseCopy): string {
  const from = [original, real].find((each) => isWithin(path, each))
  if (from !== undefined) return prefix + path.slice(from.length)
  const resolved = resolve(path)
  return resolved !== undefined && isWithin(resolved, real) ? prefix + resolved.slice(real.length) : path
}

function resolve(path: string): string | undefined {
  try {
    return realpathSync(Buffer.from(path, 'latin1'), 'latin1')
  } catch {
    return undefined // it leads nowhere, as in the original
  }
}

const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)

/** Puts something new in the place of a file. The folder keeps its mode and time. */
function exchange(prefix: string, path: BytePath, make: (aside: Buffer) => void): void {
  const name = fsPath(prefix, path)
  const folder = name.subarray(0, name.lastIndexOf('/'))
  const aside = Buffer.concat([folder, Buffer.from('/.conda-stage-aside')])
  whileWritable(folder, () => {
    make(aside)
    renameSync(aside, name)
  })
}
