import { StageError } from '../../errors.ts'
import { verify } from '../../pipeline.ts'
import type { Context } from '../command.ts'
import { findingLine } from '../render/finding.ts'
import { writeData } from '../render/messages.ts'

/** Lists what is wrong with a staged copy and what in it still names the original. Fails if any of that matters. */
export async function verifyCommand({ options, session, messages, signal }: Context): Promise<undefined> {
  const named = options.prefix ?? session.env.CONDA_PREFIX
  if (!named) {
    throw new StageError('NO_ENVIRONMENT', 'No staged environment is active', {
      hint: 'Stage an environment first, or name a staged copy with --prefix=STAGED',
    })
  }
  const result = await verify({ prefix: named, cwd: session.cwd, signal })
  const { prefix, original, findings } = result
  if (options.json) writeData(`${JSON.stringify(result)}\n`)
  else for (const finding of findings) writeData(`${findingLine(finding)}\n`)
  const bad = findings.filter(({ harmless }) => !harmless)
  if (bad.length > 0) {
    const isLonger = prefix.length > original.length && bad.every(({ kind }) => kind === 'prefix')
    throw new StageError('VERIFY_FAILED', `${prefix}: ${bad.length} of ${findings.length} findings matter`, {
      path: prefix,
      hint: isLonger
        ? "The copy's path is longer than the original's and does not fit there. Stage to a shorter folder (--path=DIR)."
        : "Unstage and stage again. If the findings come back, please report them with the output of '--version --full'.",
    })
  }
  messages.info(`${prefix} is sound: nothing that runs reaches ${original} (${findings.length} harmless findings)`)
}
