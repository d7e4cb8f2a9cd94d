import { realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { StageError } from '../errors.ts'
import { counted } from '../model/amounts.ts'
import { displayPath } from '../model/byte-path.ts'
import { isInteractive, readLine } from '../platform/terminal.ts'
import { changedFiles } from '../stage/changes.ts'
import { dependentsOf } from '../stage/dependents.ts'
import type { Stage } from '../stage/record.ts'
import type { Context } from './command.ts'
import { ask } from './render/messages.ts'
import { shellWord } from './render/shell-word.ts'

/** How many files a message names. */
const SHOWN = 3

/**
 * Reports what the removal of a copy would break or lose. If files would be lost, it asks on a terminal whether to go on.
 * @throws StageError CANCELLED if the answer is no
 */
export async function confirmLoss(stage: Stage, { options, session, messages, signal }: Context): Promise<void> {
  for (const { kind, path } of await dependentsOf(stage.record.prefix, session))
    messages.warning(`The ${kind} ${path} uses this copy, and stops working when the copy is removed`)
  const here = relative(await realpath(stage.record.prefix).catch(() => stage.record.prefix), session.cwd)
  if (!here.startsWith('..')) {
    const there = stage.record.alone === undefined ? shellWord(join(stage.record.original, here)) : 'elsewhere'
    messages.warning(`The current folder is in this copy, and goes with it. To go on: cd ${there}`)
  }
  if (stage.record.readOnly) return
  const changed = await changedFiles(stage)
  if (changed.length === 0) return
  const names = changed.slice(0, SHOWN).map(displayPath).join(', ') + (changed.length > SHOWN ? ', ...' : '')
  const files = `${counted(changed.length, 'file')} that you added or changed in the copy`
  const asks = !options.force && isInteractive()
  messages.warning(`${files} ${asks ? 'would be' : changed.length === 1 ? 'is' : 'are'} lost: ${names}`)
  if (!asks) return
  ask(`Remove ${stage.record.prefix} anyway? [y/N] `)
  if (/^\s*y(es)?\s*$/i.test(await readLine(signal))) return
  throw new StageError('CANCELLED', `The copy ${stage.record.prefix} was kept`, {
    path: stage.record.prefix,
    hint: "Save the files elsewhere first. To remove the copy without being asked: 'conda-stage --unstage --force'",
  })
}
