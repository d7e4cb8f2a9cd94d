/** The folders of a bench. They are in memory, so that no disk is measured. */
import { existsSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

export const REPOSITORY = join(import.meta.dirname, '..')

/** The same in every run, because the environments that are kept between runs contain this path. */
export const TOP = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'conda-stage-bench')

/** Environments, their package cache, conda and programs; a plain folder until slowly() mounts it over itself. */
export const SLOW = join(TOP, 'slow')

/** The node's own disk. */
export const LOCAL = join(TOP, 'local')

/** Keeps between runs what takes long to make. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'conda-stage-tests')

/** The variables of all measured programs: nothing from the calling session, and no cache or temporary file on a disk. */
export const ENV: Record<string, string> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: join(TOP, 'home'),
  XDG_CACHE_HOME: join(TOP, 'home/.cache'),
  TMPDIR: LOCAL,
  LANG: 'C.UTF-8',
  PYTHONDONTWRITEBYTECODE: '1',
  CONDA_ENVS_PATH: join(SLOW, 'envs'),
  CONDA_PKGS_DIRS: join(SLOW, 'pkgs'),
  CONDA_AUTO_ACTIVATE: 'false',
}
