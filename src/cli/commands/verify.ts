import { resolve } from 'node:path'
import type { ArchiveFinding } from '../../archive/verify/finding.ts'
import { StageError } from '../../errors.ts'
import { activePrefix } from '../../model/active.ts'
import { counted, megabytes } from '../../model/amounts.ts'
import { verify, verifyArchive } from '../../pipeline.ts'
import { findStage } from '../../stage/record.ts'
import type { Finding } from '../../stage/verify.ts'
import type { Context } from '../command.ts'
import { progressOf } from '../library-options.ts'
import { archiveFindingLine, archiveFindingSummary, findingLine, findingSummary } from '../render/finding.ts'
import { writeData, writeJson } from '../render/messages.ts'

/**
 * Checks a staged copy, and fails if anything in it is wrong or a program would still reach the original. If there is none, or
 * an archive is named, that is checked. What is harmless is counted, and listed with --verbose.
 */
export async function verifyCommand(context: Context): Promise<undefined> {
  const { options, session } = context
  const file = options.archive ?? options.output
  if (file !== undefined) return await verifyFile(context, { archive: file })
  const named = options.prefix ?? activePrefix(session.env)
  if (!named) {
    throw new StageError('NO_ENVIRONMENT', 'No environment is active', {
      hint: 'Stage or activate one first, name one with --prefix=ENV, or name an archive with --output=FILE',
    })
  }
  const copy = await findStage(resolve(session.cwd, named))
  if (copy?.record.form === 'image') return await verifyFile(context, { archive: copy.record.prefix })
  try {
    await verifyCopy(context, named)
  } catch (error) {
    if (!(error instanceof StageError) || error.code !== 'NOT_STAGED') throw error
    await verifyFile(context, { prefix: resolve(session.cwd, named) })
  }
}

async function verifyCopy(context: Context, named: string): Promise<void> {
  const { session, messages, signal } = context
  const result = await verify({ prefix: named, cwd: session.cwd, signal, onProgress: progressOf(context) })
  const { prefix, original, findings } = result
  const bad = show(context, result, { line: findingLine, summary: findingSummary })
  if (bad.length > 0) {
    const isPrefix = bad.every(({ kind }) => kind === 'prefix')
    const isLonger = prefix.length > original.length && isPrefix
    throw failure(prefix, findings, {
      hint: isLonger
        ? "The copy's path is longer than the original's and does not fit there. Stage to a shorter folder (--path=DIR)."
        : isPrefix
          ? 'A program that uses these files would reach the original. If that matters, go back: conda-stage --unstage'
          : "Unstage and stage again. If the findings come back, please report them with the output of '--version --full'.",
    })
  }
  messages.info(`${prefix} is sound: nothing that runs reaches ${original} (${harmlessOf(context, findings)})`)
}

async function verifyFile(context: Context, which: { archive: string } | { prefix: string }): Promise<undefined> {
  const { options, session, messages, signal } = context
  const { archiveFolder, image } = options
  const format = image ? ('sqfs' as const) : options.format
  const where = { ...(archiveFolder !== undefined && { archiveFolder }), format, env: session.env, cwd: session.cwd }
  const result = await verifyArchive({ ...which, ...where, signal, onProgress: progressOf(context) })
  const { archive, madeBy, hasIndex, findings } = result
  const bad = show(context, result, { line: archiveFindingLine, summary: archiveFindingSummary })
  if (bad.length > 0) {
    throw failure(archive, findings, {
      hint:
        madeBy === 'conda-pack'
          ? 'Make it again with conda-pack, or let conda-stage pack the environment: conda-stage --pack'
          : 'Rebuild it with: conda-stage --pack --force',
    })
  }
  const contents = `${counted(result.files, 'file')}, ${megabytes(result.bytes)}`
  const limit = hasIndex ? '' : '; it has no index, so what it held when it was made is not known'
  messages.info(`${archive} is sound: ${contents}, made by ${madeBy}${limit} (${harmlessOf(context, findings)})`)
}

/** Writes the findings, and gives those that matter. */
function show<F extends Finding | ArchiveFinding>(
  { options }: Context,
  result: { findings: F[] },
  { line, summary }: { line(finding: F): string; summary(findings: readonly F[]): string },
): F[] {
  const { findings } = result
  if (options.json) writeJson(result)
  else writeData(isVerbose(options) ? findings.map(line).join('') : summary(findings))
  return findings.filter(({ harmless }) => !harmless)
}

const isVerbose = ({ verbosity }: Context['options']): boolean => verbosity === 'verbose' || verbosity === 'debug'

const failure = (path: string, findings: readonly { harmless: boolean }[], { hint }: { hint: string }): StageError => {
  const bad = findings.filter(({ harmless }) => !harmless)
  return new StageError('VERIFY_FAILED', `${path}: ${bad.length} of ${findings.length} findings matter`, { path, hint })
}

function harmlessOf({ options }: Context, findings: readonly unknown[]): string {
  const more = findings.length > 0 && !isVerbose(options) ? '; --verbose lists them' : ''
  return `${counted(findings.length, 'harmless finding')}${more}`
}
