import type { EvidenceOptions } from '../../../evidence/with-copy.ts'
import type { Context } from '../../command.ts'
import { stageOptions } from '../../library-options.ts'

/** What the library needs to measure a command. */
export function measured(context: Context): EvidenceOptions {
  const { options, session } = context
  const { env, cwd, launcher } = session
  // Whoever asks what a copy brings wants one, also of an environment that is on local disk.
  const given = { ...stageOptions(context), skipLocal: options.skipLocal ?? false }
  return { ...given, command: options.command, launcher, env, cwd }
}
