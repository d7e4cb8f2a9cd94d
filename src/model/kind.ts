/**
 * What an environment is. By this a session is in it, and its archive has its place. `python` is an installation of Python that
 * virtual environments are made of: it is only staged along with one.
 */
export const ENVIRONMENT_KINDS = ['conda', 'pixi', 'venv', 'python'] as const
export type EnvironmentKind = (typeof ENVIRONMENT_KINDS)[number]

/** For people. */
export const nounOf = (kind: EnvironmentKind = 'conda'): string =>
  kind === 'venv' ? 'virtual environment' : kind === 'python' ? 'Python' : `${kind} environment`

/** The kind of the environment that has these paths. */
export function kindIn(entries: Iterable<{ path: string }>): EnvironmentKind {
  const top = new Set([...entries].map(({ path }) => path))
  return top.has('pyvenv.cfg') && !top.has('conda-meta') ? 'venv' : 'conda'
}
