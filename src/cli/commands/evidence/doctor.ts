import { StageError } from '../../../errors.ts'
import { doctor } from '../../../evidence/doctor.ts'
import { counted } from '../../../model/amounts.ts'
import { onLongWait } from '../../../platform/waiting.ts'
import type { Command } from '../../command.ts'
import { stageOptions } from '../../library-options.ts'
import { doctorText } from '../../render/doctor-text.ts'
import { writeData, writeJson } from '../../render/messages.ts'

/** Says what is broken here, and what could be better. Fails if anything is broken. */
export const doctorCommand: Command = async (context) => {
  const { options, session } = context
  const { env, cwd, shell } = session
  const { files, withBase } = options
  const found = { env, cwd, files, withBase, hasShellFunction: shell !== undefined }
  const given = { ...stageOptions(context), ...found }
  // What does not answer is among the findings.
  onLongWait(() => {})
  const findings = await doctor(given)
  if (options.json) writeJson({ findings })
  else writeData(doctorText(findings))
  const broken = findings.filter(({ state }) => state === 'bad')
  if (broken.length === 0) return undefined
  throw new StageError(
    'DOCTOR_FOUND',
    `${counted(broken.length, 'thing')} ${broken.length === 1 ? 'is' : 'are'} broken`,
    {
      hint: "Below each line that begins with BAD, '->' says what to do.",
    },
  )
}
