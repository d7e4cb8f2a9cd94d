import { StageError } from '../../errors.ts'
import { counted, megabytes } from '../../model/amounts.ts'
import { type CleaningPlan, cleanUp, type Left, planCleaning } from '../../pipeline/copies.ts'
import { isInteractive, readLine } from '../../platform/terminal.ts'
import type { Stage } from '../../stage/record.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { ask, writeJson } from '../render/messages.ts'
import { shellWord } from '../render/shell-word.ts'

/** Removes the copies that nobody uses, and what killed calls left. With --all also the others, after a question. */
export async function cleanCommand(context: Context): Promise<undefined> {
  const { options, session, messages } = context
  const plan = await planCleaning(stageOptions(context))
  const takesAll = options.all && plan.standing.length > 0
  if (!takesAll) for (const left of plan.standing) sayLeft(left, messages)
  if (options.dryRun) return showPlan(plan, context)
  if (takesAll) await confirmAll(plan, context)
  const { stages, debris } = await cleanUp(plan, { uid: session.uid, all: options.all })
  for (const { record } of stages) messages.info(`Removed ${record.prefix}, the copy of ${record.original}`)
  for (const folder of debris) messages.info(`Removed ${folder}, which a killed conda-stage left`)
  messages.info(summary(stages, debris))
  if (options.json) writeJson({ removed: pathsOf(stages), debris })
}

function showPlan(plan: CleaningPlan, { options, messages }: Context): undefined {
  const stages = [...plan.unused, ...(options.all ? plan.standing.map(({ stage }) => stage) : [])]
  for (const { record } of stages) messages.info(`Would remove ${record.prefix}, the copy of ${record.original}`)
  for (const folder of plan.debris) messages.info(`Would remove ${folder}, which a killed conda-stage left`)
  messages.info('--dry-run: nothing was removed')
  if (options.json) writeJson({ dryRun: true, removed: pathsOf(stages), debris: plan.debris })
}

const pathsOf = (stages: readonly Stage[]): string[] => stages.map(({ record }) => record.prefix)

function summary(stages: readonly Stage[], debris: readonly string[]): string {
  if (stages.length + debris.length === 0) return 'There was nothing to remove'
  const bytes = stages.reduce((sum, { record }) => sum + (record.bytes ?? 0), 0)
  return `${counted(stages.length + debris.length, 'folder')} removed, ${megabytes(bytes)} of copies`
}

const WHY: Record<Left['why'], string> = {
  used: 'it is in use',
  unknown: 'who uses it is not known',
  programs: 'programs run from it',
  changed: 'files in it were changed',
  last: 'its original is gone',
}

function sayLeft({ stage: { record }, why, unread }: Left, messages: Context['messages']): void {
  const { prefix } = record
  if (unread) {
    messages.warning(`${prefix} stays: ${unread.message}`, unread.hint)
    return
  }
  const remedy =
    why === 'used' || why === 'programs'
      ? ''
      : `. To remove it: conda-stage --unstage --force --prefix=${shellWord(prefix)}`
  messages.info(`${prefix} stays: ${WHY[why]}${remedy}`)
}

/** @throws StageError CANCELLED if the answer is no, USAGE if nobody can be asked */
async function confirmAll({ standing }: CleaningPlan, { options, signal }: Context): Promise<void> {
  if (options.force) return
  const lines = standing.map(({ stage, why }) => `${stage.record.prefix}: ${WHY[why]}`)
  const hint = "'conda-stage --list' shows who uses them. To remove them without being asked: --clean --all --force"
  if (!isInteractive()) {
    const copies = standing.length === 1 ? 'A copy' : `${standing.length} copies`
    const what = `${copies} that somebody may need would be removed, and there is no terminal to ask at`
    throw new StageError('USAGE', `${what}:`, { lines, hint })
  }
  ask('Remove them? [y/N] ', ['These would be removed, too:', ...lines.map((line) => `  ${line}`)])
  if (/^\s*y(es)?\s*$/i.test(await readLine(signal))) return
  throw new StageError('CANCELLED', 'Nothing was removed', { hint })
}
