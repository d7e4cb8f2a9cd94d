/** What an environment is. By this a session is in it, and its archive has its place. */
export const KINDS = ['conda', 'pixi', 'venv'] as const
export type EnvironmentKind = (typeof KINDS)[number]

/** For people. */
export const nounOf = (kind: EnvironmentKind = 'conda'): string =>
  kind === 'venv' ? 'virtual environment' : `${kind} environment`

/** The kind of the environment that has these paths. */
export function kindIn(entries: Iterable<{ path: string }>): EnvironmentKind {
  const top = new Set([...entries].map(({ path }) => path))
  return top.has('pyvenv.cfg') && !top.has('conda-meta') ? 'venv' : 'conda'
}
