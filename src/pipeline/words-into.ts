import { existsSync } from 'node:fs'
import type { DialectName } from '../activate/dialects.ts'
import { planEnter } from '../activate/enter.ts'
import { factsFor } from '../activate/facts-for.ts'
import { render } from '../activate/render.ts'
import type { Variables } from '../activate/state.ts'
import type { Step } from '../activate/steps.ts'
import { planEnterVenv } from '../activate/venv.ts'
import { kindAt } from '../environment/find.ts'
import { pixiName } from '../environment/pixi.ts'

export interface Into {
  /** Of the environment. */
  prefix: string
  isCopy: boolean
}

export interface IntoOptions {
  env: Variables
  ps1?: string | undefined
  warn(message: string, hint?: string): void
}

/** What a shell has to do to be in this environment, whatever is active. */
export async function stepsInto(
  { prefix, isCopy }: Into,
  dialect: DialectName,
  { env, ps1, warn }: IntoOptions,
): Promise<Step[]> {
  const kind = await kindAt(prefix)
  const facts = factsFor(kind, { dialect, env })
  const other = kind === 'venv' ? env.VIRTUAL_ENV : env.CONDA_PREFIX
  const [entered, active] = await Promise.all([facts(prefix), other ? facts(other) : undefined])
  for (const { message, hint } of entered.unreadable) warn(message, hint)
  for (const message of entered.notTaken) warn(message)
  const entering = { env, ps1, entered, active, isCopy }
  return kind === 'venv' ? planEnterVenv(entering) : planEnter({ ...entering, name: await pixiName(entered, env) })
}

/** In a function, because the code leaves it. */
const ENTER = 'enter() { eval "$1"; }; enter "$1"; shift; exec "$@"'

/** The words by which a command starts in the environment. None if it is active already, as far as a command can see. */
export async function wordsInto(
  into: Into,
  { launcher, ...options }: Omit<IntoOptions, 'ps1'> & { launcher: string },
): Promise<string[]> {
  // Scripts of activate.d are written for bash. Privileged, it reads no startup file, and passes functions on that it does not take.
  const bash = ['/bin/bash', '/usr/bin/bash'].find((path) => existsSync(path))
  const dialect = bash ? 'bash' : 'sh'
  const steps = await stepsInto(into, dialect, options)
  if (steps.every(({ op }) => op === 'return')) return []
  const code = render(steps, dialect, { flags: '', launcher })
  return [...(bash ? [bash, '-p'] : ['/bin/sh']), '-c', ENTER, 'conda-stage', code]
}
