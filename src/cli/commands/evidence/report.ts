import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { StageError } from '../../../errors.ts'
import { machineFacts } from '../../../evidence/machine.ts'
import type { EvidenceOptions } from '../../../evidence/with-copy.ts'
import { originalOf, pathsOf } from '../../../pipeline/original.ts'
import { errnoOf, meaningOf } from '../../../platform/errno.ts'
import { isInside } from '../../../platform/inside.ts'
import { programVersion } from '../../../platform/program.ts'
import { NotRead, readHead } from '../../../platform/read-small.ts'
import { access, rename, unlink, writeFile } from '../../../platform/remote-fs.ts'
import type { Context } from '../../command.ts'
import { surroundingVersions } from '../version.ts'

type Measured = Pick<import('../../render/report/page.ts').Report, 'command' | 'benchmark' | 'proof' | 'noProof'>

/** Whoever has waited for the numbers must not lose them. The original is never written. @throws StageError OUTPUT_LOST */
export async function assertWritable(file: string | undefined, options: EvidenceOptions): Promise<void> {
  if (file === undefined) return
  // What is wrong with the environment is said by what needs it.
  const original = await originalOf(options).catch(() => undefined)
  if (original !== undefined && (await isInside(dirname(file), pathsOf(original))))
    throw lost(file, 'that is inside the environment, which is never changed')
  await access(dirname(file), constants.W_OK).catch((error: unknown) => {
    throw notWritten(file, error)
  })
  if (!(await isFreeOrReport(file))) throw lost(file, 'it is there already, and is not a report of conda-stage')
}

/** In the first bytes of a report (templates/report.html). */
const MARK = '<meta name="generator" content="conda-stage">'
const MARK_WITHIN = 512

const isFreeOrReport = (file: string): Promise<boolean> =>
  readHead(file, MARK_WITHIN).then(
    (head) => head.includes(MARK),
    (error: unknown) => {
      if (error instanceof NotRead) return error.kind === 'missing'
      throw error
    },
  )

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
  return lost(file, errno === 'ENOENT' ? 'there is no such folder' : meaningOf(errno), error)
}

const lost = (file: string, reason: string, cause?: unknown): StageError =>
  new StageError('OUTPUT_LOST', `The report can't be written to ${file}: ${reason}`, {
    path: file,
    hint: 'Name another file, in a folder that you can write to.',
    cause,
  })
