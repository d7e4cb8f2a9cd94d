import type { BytePath } from './byte-path.ts'

/** In a copy of a base, these are links to the folders of the original: its environments and its package cache. */
export const LINKS_OF_BASE: readonly BytePath[] = ['envs', 'pkgs']

/** Paths in a copy, and those alone, have a folder of this name on their way. */
export const IN_A_COPY = /\/conda-stage_[A-Za-z0-9]{4,}\//

/** PATH finds conda in a copy. */
export const CONDABIN_OF_A_COPY = /\/conda-stage_[A-Za-z0-9]{4,}\/[^:]*\/condabin(?::|$)/
