/**
 * What made an environment. It decides how a session is in it, and where its archive is. `python` is an installation of Python that
 * virtual environments were made from. It is staged only together with one of them.
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
