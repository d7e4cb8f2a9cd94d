import { StageError } from '../../errors.ts'
import { megabytes } from '../../model/amounts.ts'
import type { RestoreResult, RetireResult } from '../../pipeline/options.ts'
import { isInteractive, readLine } from '../../platform/terminal.ts'
import type { Context } from '../command.ts'
import { progressOf } from '../library-options.ts'
import { ask, writeJson } from '../render/messages.ts'
import { shellWord } from '../render/shell-word.ts'

/** Replaces an environment by its archive, after a question. */
export async function retireCommand(context: Context): Promise<undefined> {
  const { options, messages } = context
  const { retire } = await import('../../pipeline/retire.ts')
  const { dryRun, force, compressLevel, threads } = options
  const result = await retire({
    ...common(context),
    ...(compressLevel !== undefined && { compressLevel }),
    ...(threads !== undefined && { threads }),
    dryRun,
    ...(!force && { confirm: (plan: RetireResult) => confirm(plan, context) }),
  })
  const { original, archive, entries, bytes, archiveBytes = 0 } = result
  if (dryRun) {
    messages.info(`Would replace ${original} (${amount(result)}) by ${archive}`)
    messages.info('--dry-run: nothing was written')
  } else {
    messages.info(`Retired ${original}: ${inodes(entries)} less, ${megabytes(bytes)} became ${megabytes(archiveBytes)}`)
    messages.info(`To work with it: conda-stage --archive=${shellWord(archive)}`)
    messages.info(`To bring it back: conda-stage --restore --prefix=${shellWord(original)}`)
  }
  if (options.json) writeJson({ ...(dryRun && { dryRun }), ...result })
}

/** Makes a retired environment again. Its archive stays. */
export async function restoreCommand(context: Context): Promise<undefined> {
  const { options, messages } = context
  const { restore } = await import('../../pipeline/restore.ts')
  const { dryRun, archive } = options
  const result = await restore({ ...common(context), ...(archive !== undefined && { archive }), dryRun })
  if (dryRun) {
    messages.info(`Would make ${result.original} (${amount(result)}) from ${result.archive}`)
    messages.info('--dry-run: nothing was written')
  } else {
    messages.info(`Restored ${result.original} (${amount(result)}), as it was when it was packed`)
    messages.info(`Its archive is not needed any more: rm ${shellWord(result.archive)}`)
  }
  if (options.json) writeJson({ ...(dryRun && { dryRun }), ...result })
}

const common = (context: Context) => ({
  ...(context.options.prefix !== undefined && { prefix: context.options.prefix }),
  env: context.session.env,
  cwd: context.session.cwd,
  onProgress: progressOf(context),
  signal: context.signal,
})

const amount = ({ entries, bytes }: RestoreResult): string => `${inodes(entries)}, ${megabytes(bytes)}`

const inodes = (entries: number): string => `${entries.toLocaleString('en')} files, folders and links`

async function confirm(plan: RetireResult, { signal }: Context): Promise<void> {
  const { original, archive } = plan
  const hint = 'To go on without being asked: --retire --force'
  if (!isInteractive())
    throw new StageError('USAGE', `${original} would be removed, and there is no terminal to ask at`, {
      path: original,
      hint,
    })
  ask('Go on? [y/N] ', [
    `${original} (${amount(plan)}) would be replaced by ${archive}.`,
    'Nobody may use it until that is done, on any node. conda will not find it until it is restored.',
  ])
  if (/^\s*y(es)?\s*$/i.test(await readLine(signal))) return
  throw new StageError('CANCELLED', `${original} is as it was`, { path: original, hint })
}
