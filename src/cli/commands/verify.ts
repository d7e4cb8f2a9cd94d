import { StageError } from '../../errors.ts'
import { counted } from '../../model/amounts.ts'
import { verify } from '../../pipeline.ts'
import type { Context } from '../command.ts'
import { progressOf } from '../library-options.ts'
import { findingLine, findingSummary } from '../render/finding.ts'
import { writeData, writeJson } from '../render/messages.ts'

/**
 * Checks a staged copy, and fails if anything in it is wrong or a program would still reach the original. What is harmless is
 * counted, and listed with --verbose.
 */
export async function verifyCommand(context: Context): Promise<undefined> {
  const { options, session, messages, signal } = context
  const named = options.prefix ?? session.env.CONDA_PREFIX
  if (!named) {
    throw new StageError('NO_ENVIRONMENT', 'No staged environment is active', {
      hint: 'Stage an environment first, or name a staged copy with --prefix=STAGED',
    })
  }
  const result = await verify({ prefix: named, cwd: session.cwd, signal, onProgress: progressOf(context) })
  const { prefix, original, findings } = result
  const isVerbose = options.verbosity === 'verbose' || options.verbosity === 'debug'
  if (options.json) writeJson(result)
  else writeData(isVerbose ? findings.map(findingLine).join('') : findingSummary(findings))
  const bad = findings.filter(({ harmless }) => !harmless)
  if (bad.length > 0) {
    const isPrefix = bad.every(({ kind }) => kind === 'prefix')
    const isLonger = prefix.length > original.length && isPrefix
    throw new StageError('VERIFY_FAILED', `${prefix}: ${bad.length} of ${findings.length} findings matter`, {
      path: prefix,
      hint: isLonger
        ? "The copy's path is longer than the original's and does not fit there. Stage to a shorter folder (--path=DIR)."
        : isPrefix
          ? 'A program that uses these files would reach the original. If that matters, go back: conda-stage --unstage'
          : "Unstage and stage again. If the findings come back, please report them with the output of '--version --full'.",
    })
  }
  const more = findings.length > 0 && !isVerbose ? '; --verbose lists them' : ''
  const harmless = `${counted(findings.length, 'harmless finding')}${more}`
  messages.info(`${prefix} is sound: nothing that runs reaches ${original} (${harmless})`)
}
