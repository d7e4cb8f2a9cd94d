import type { ArchiveFinding } from '../../archive/verify/finding.ts'
import { counted } from '../../model/amounts.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import type { Finding } from '../../stage/verify.ts'
import { shown } from './shown.ts'

const line = ({ path, why, harmless }: { path: BytePath; why: string; harmless: boolean }, itself: string): string =>
  `${harmless ? 'harmless' : 'MATTERS '}  ${shown(`${displayPath(path) || itself}: ${why}`)}\n`

/** One line for a finding of --verify: whether it matters, which file, and what is wrong. */
export const findingLine = (finding: Finding): string => line(finding, '.')

export const archiveFindingLine = (finding: ArchiveFinding): string => line(finding, 'archive')

const IN_COPY: Record<Finding['kind'], string> = {
  prefix: 'holds the original prefix',
  changed: 'differs from the archive',
  mode: 'has another mode',
  missing: 'is missing',
  added: 'was added',
}

const IN_ARCHIVE: Record<ArchiveFinding['kind'], string> = {
  archive: 'the archive itself',
  frame: 'a damaged frame',
  content: 'holds other bytes than were packed',
  member: 'is a different file to other programs',
  relocation: 'holds the prefix in other places',
}

/** A line for each finding that matters, and a count for each kind of the others. */
export const findingSummary = (findings: readonly Finding[]): string => summary(findings, findingLine, IN_COPY)

export const archiveFindingSummary = (findings: readonly ArchiveFinding[]): string =>
  summary(findings, archiveFindingLine, IN_ARCHIVE)

function summary<K extends string, F extends { kind: K; harmless: boolean }>(
  findings: readonly F[],
  lineOf: (finding: F) => string,
  what: Record<K, string>,
): string {
  const bad = findings.filter(({ harmless }) => !harmless)
  const counts = (Object.keys(what) as K[]).map((kind) => {
    const count = findings.filter((finding) => finding.harmless && finding.kind === kind).length
    return count === 0 ? '' : `harmless  ${what[kind]}: ${counted(count, 'file')}\n`
  })
  return [...bad.map(lineOf), ...counts].join('')
}
