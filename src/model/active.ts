type Variables = Readonly<Record<string, string | undefined>>

/**
 * The prefix of the environment that a session is in: conda's or pixi's (CONDA_PREFIX), or a virtual environment (VIRTUAL_ENV). If
 * both are active, it is the one from which programs start, whose `bin` comes first in PATH. Nothing is looked up.
 */
export function activePrefix(env: Variables): string | undefined {
  const { CONDA_PREFIX: conda, VIRTUAL_ENV: venv } = env
  if (!venv || !conda) return conda || venv || undefined
  const [ofVenv, ofConda] = [placeInPath(venv, env), placeInPath(conda, env)]
  return ofVenv < ofConda ? venv : conda
}

/** Whether `activePrefix` is that of a virtual environment. */
export const isVenvActive = (env: Variables): boolean =>
  Boolean(env.VIRTUAL_ENV) && env.VIRTUAL_ENV !== env.CONDA_PREFIX && activePrefix(env) === env.VIRTUAL_ENV

/** A PATH that names neither says nothing: then conda's counts. */
function placeInPath(prefix: string, { PATH = '' }: Variables): number {
  const bin = `${plain(prefix)}/bin`
  const at = PATH.split(':').findIndex((entry) => plain(entry) === bin)
  return at === -1 ? Number.POSITIVE_INFINITY : at
}

const plain = (path: string): string => path.replace(/\/+/g, '/').replace(/\/$/, '')
