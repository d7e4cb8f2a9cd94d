import { constants } from 'node:os'
import { StageError } from '../../../errors.ts'
import { prove } from '../../../evidence/proof.ts'
import type { Command } from '../../command.ts'
import { writeData, writeJson } from '../../render/messages.ts'
import { proofText } from '../../render/proof-text.ts'
import { measured } from './measured.ts'
import { assertWritable, writeReport } from './report.ts'

/** Shows where a command looks names up when it runs from the copy. Fails if the command does, behind what was counted. */
export const proofCommand: Command = async (context) => {
  const { options, session } = context
  const given = measured(context)
  await assertWritable(options.report, given)
  const proof = await prove(given)
  if (options.json) writeJson(proof)
  else writeData(proofText(proof, session.env))
  if (options.report !== undefined) await writeReport(options.report, proof, { command: proof.command, proof }, context)
  if (proof.status !== 0) throw failed(proof)
  return undefined
}

function failed({ command, status }: { command: readonly string[]; status: number }): StageError {
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0]
  const how = signal ? `was ended by ${signal}` : `ended with status ${status}`
  const traced = 'Programs that trace others (gdb, strace) or need setuid (sudo) fail while they are traced.'
  return new StageError('COMMAND_FAILED', `${command.join(' ')} ${how}`, {
    hint: `What it did until then was counted.${signal ? '' : ` ${traced}`}`,
  })
}
