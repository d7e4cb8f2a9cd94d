/** A path at which two trees differ, and what each has there; undefined for nothing. */
export interface Differing {
  path: string
  ours: string | undefined
  theirs: string | undefined
  isScript: boolean
}

/** Differences between the unpacked archives of conda-pack and ours, with their numbers in docs/conda-pack.md. */
export const DOCUMENTED: readonly [number: number, covers: (differing: Differing) => boolean][] = [
  [1, ({ path }) => /^bin\/(activate(\.fish)?|deactivate|conda-unpack|conda_unpack_progress\.py)$/.test(path)],
  [1, ({ path }) => path === 'conda-meta/conda-stage-prefixes'],
  [2, ({ path, ours }) => path.endsWith('.pyc') || (path.endsWith('__pycache__') && ours === 'folder')],
  // Their conda-unpack leaves this behind.
  [2, ({ path, ours }) => path === 'bin/__pycache__' && ours === undefined],
  [3, ({ path, ours }) => path.startsWith('conda-meta/') && ours !== undefined],
  [4, ({ path, ours, theirs, isScript }) => /^bin\//.test(path) && isScript && !!ours && !!theirs],
  [5, ({ path }) => path === 'share/jupyter/kernels/python3/kernel.json'],
  [6, ({ path }) => path === 'share/by-hand/neighbour'],
  // It names './PREFIX/lib/...', which is another path.
  [6, ({ path }) => /^lib\/python[\d.]+\/_sysconfigdata[^/]*\.py$/.test(path)],
  [7, ({ path }) => path === 'share/by-hand/settings.json'],
  [8, ({ path }) => /^bin\/python[\d.]*$|^lib\/.*\/fastgreet\..*\.so$|^bin\/by-hand$/.test(path)],
  [9, ({ ours, theirs }) => !!ours?.startsWith('->') && !!theirs?.startsWith('->')],
]
