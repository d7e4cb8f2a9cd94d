import type { EnvironmentKind } from '../model/kind.ts'
import type { DialectName } from './dialects.ts'
import { type PrefixFacts, readFacts } from './facts.ts'
import type { Variables } from './state.ts'
import { readVenvFacts } from './venv.ts'

/** Reads what a session in this shell needs to know about an environment of a kind. */
export const factsFor =
  (kind: EnvironmentKind | undefined, { dialect, env }: { dialect: DialectName; env: Variables }) =>
  (prefix: string): Promise<PrefixFacts> =>
    kind === 'venv' ? readVenvFacts(prefix, env) : readFacts(prefix, dialect, env)
