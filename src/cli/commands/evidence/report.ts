import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { StageError } from '../../../errors.ts'
import { machineFacts } from '../../../evidence/machine.ts'
import { errnoOf, meaningOf } from '../../../platform/errno.ts'
import { programVersion } from '../../../platform/program.ts'
import { access, rename, unlink, writeFile } from '../../../platform/remote-fs.ts'
import type { Context } from '../../command.ts'
import { surroundingVersions } from '../version.ts'

type Measured = Pick<import('../../render/report/page.ts').Report, 'command' | 'benchmark' | 'proof' | 'noProof'>

/** Whoever has waited for the numbers must not lose them. @throws StageError OUTPUT_LOST */
export async function assertWritable(file: string | undefined): Promise<void> {
  if (file === undefined) return
  await access(dirname(file), constants.W_OK).catch((error: unknown) => {
    throw notWritten(file, error)
  })
}

/** Writes the page that --report names. It is there as a whole, or not at all. @throws StageError OUTPUT_LOST */
export async function writeReport(
  file: string,
  { original, copy }: { original: string; copy: string },
  measured: Measured,
  { session, messages }: Context,
): Promise<void> {
  const { reportPage } = await import('../../render/report/page.ts')
  const machine = await machineFacts(original, dirname(dirname(copy)), session.env)
  const versions = { 'conda-stage': programVersion(), ...surroundingVersions(session) }
  const page = reportPage({ ...measured, machine, versions, written: new Date().toISOString() })
  const aside = `${file}.new`
  try {
    await writeFile(aside, page)
    await rename(aside, file)
  } catch (error) {
    await unlink(aside).catch(() => {})
    throw notWritten(file, error)
  }
  messages.info(`The report is in ${file}`)
}

function notWritten(file: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  return new StageError(
    'OUTPUT_LOST',
    `The report can't be written to ${file}: ${errno === 'ENOENT' ? 'there is no such folder' : meaningOf(errno)}`,
    {
      path: file,
      hint: 'Name a file in a folder that you may write to.',
      cause: error,
    },
  )
}
