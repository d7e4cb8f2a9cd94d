import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { StageError } from '../errors.ts'
import type { Siblings } from '../model/relocation.ts'

/** A conda environment: whatever tool made it, a folder with a `conda-meta` folder in it. */
export interface Environment {
  /** As it was given (logical): absolute, symbolic links not resolved, no slash at the end. */
  prefix: string
  /** With symbolic links resolved. */
  real: string
  /** Last part of `prefix`. */
  name: string
  /** True for the environment that conda itself lives in, which holds the package cache and other environments. */
  isBase: boolean
  /** User id of the owner of the folder (behind links). */
  ownerUid: number
  /** Known while it is packed, see `withSiblings`. */
  siblings?: Siblings
}

export interface FindOptions {
  /** From --prefix. Without it the active environment, CONDA_PREFIX, is meant. */
  prefix?: string
  env: Readonly<Record<string, string | undefined>>
  cwd: string
}

/** @throws StageError USAGE, NO_ENVIRONMENT, NOT_AN_ENVIRONMENT, UNREADABLE. */
export async function findEnvironment({ prefix: given, env, cwd }: FindOptions): Promise<Environment> {
  if (given === '') throw new StageError('USAGE', '--prefix is empty', { hint: 'Give the path of an environment.' })
  const wanted = given ?? env.CONDA_PREFIX
  if (!wanted) {
    throw new StageError('NO_ENVIRONMENT', 'no conda environment is active', {
      hint: 'Activate one (conda activate NAME), or name one with --prefix=PATH.',
    })
  }
  const prefix = resolve(cwd, wanted)
  const folder = await lookUp(prefix)
  if (folder === undefined) throw noSuchFolder(prefix)
  if (!folder.isDirectory() || !(await isFolder(`${prefix}/conda-meta`))) {
    throw notAnEnvironment(prefix, 'is not a conda environment')
  }
  if (prefix === '/') throw notAnEnvironment(prefix, "is the root of the file system and can't be staged")
  const real = await realpath(prefix)
  return { prefix, real, name: basename(prefix), isBase: await isBase(prefix, real, env), ownerUid: folder.uid }
}

/**
 * Base is what the session's conda says it is; without a session, an environment that has conda installed and the
 * folders of a base. Either alone is no sign: conda may be installed anywhere, and a `pkgs` may be anything.
 */
async function isBase(prefix: string, real: string, env: FindOptions['env']): Promise<boolean> {
  const roots = [env.CONDA_ROOT, env._CONDA_ROOT, env.MAMBA_ROOT_PREFIX, rootOf(env.CONDA_EXE)]
  for (const root of roots.filter((root) => root?.startsWith('/'))) {
    const path = resolve(root as string)
    if (path === prefix || path === real) return true
  }
  const [envs, pkgs] = await Promise.all([isFolder(`${prefix}/envs`), isFolder(`${prefix}/pkgs`)])
  if (!envs && !pkgs) return false
  return (await readdir(`${prefix}/conda-meta`)).some((name) => /^conda-\d[^-]*-[^-]+\.json$/.test(name))
}

/** ROOT of ROOT/bin/conda or ROOT/condabin/conda. */
function rootOf(condaExe: string | undefined): string | undefined {
  if (condaExe === undefined) return undefined
  const folder = dirname(condaExe)
  return ['bin', 'condabin'].includes(basename(folder)) ? dirname(folder) : undefined
}

const isFolder = async (path: string): Promise<boolean> => (await lookUp(path))?.isDirectory() ?? false

/** undefined where there is nothing. */
async function lookUp(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new StageError('UNREADABLE', `${path} can't be looked at (${code})`, {
      path,
      hint: "Ask the environment's owner for permission to read it.",
      cause: error,
    })
  }
}

function noSuchFolder(prefix: string): StageError {
  // Node reads bytes that are not UTF-8 as U+FFFD, so that such a path names something else from then on.
  if (prefix.includes('\uFFFD')) {
    return new StageError('NOT_AN_ENVIRONMENT', `the environment's path is not valid UTF-8: ${prefix}`, {
      path: prefix,
      hint: 'Reach it through a symbolic link whose path is valid UTF-8.',
    })
  }
  return notAnEnvironment(prefix, 'does not exist')
}

const notAnEnvironment = (prefix: string, what: string): StageError =>
  new StageError('NOT_AN_ENVIRONMENT', `${prefix} ${what}`, {
    path: prefix,
    hint: 'An environment is a folder that has conda-meta in it. Give its path, not its name (conda env list shows both).',
  })
