/**
 * What a copy on local disk is. None of them can stand in for another.
 * - tree: the environment's files, relocated to where they lie
 * - plain: its files as they are, to be seen at the original's own path
 * - image: the environment as it is, in one file that is mounted
 * - mount: the environment in one file that is mounted in the open, relocated to where it is mounted
 */
export const FORMS = ['tree', 'plain', 'image', 'mount'] as const
export type Form = (typeof FORMS)[number]
