import { counted } from '../../model/amounts.ts'
import { displayPath } from '../../model/byte-path.ts'
import type { Finding } from '../../stage/verify.ts'
import { shown } from './shown.ts'

/** One line for a finding of --verify: whether it matters, which file, and what is wrong. */
export const findingLine = ({ path, why, harmless }: Finding): string =>
  `${harmless ? 'harmless' : 'MATTERS '}  ${shown(`${displayPath(path) || '.'}: ${why}`)}\n`

const WHAT: Record<Finding['kind'], string> = {
  prefix: 'holds the original prefix',
  changed: 'differs from the archive',
  mode: 'has another mode',
  missing: 'is missing',
  added: 'was added',
}

/** A line for each finding that matters, and a count for each kind of the others. */
export function findingSummary(findings: readonly Finding[]): string {
  const bad = findings.filter(({ harmless }) => !harmless)
  const counts = (Object.keys(WHAT) as Finding['kind'][]).map((kind) => {
    const count = findings.filter((finding) => finding.harmless && finding.kind === kind).length
    return count === 0 ? '' : `harmless  ${WHAT[kind]}: ${counted(count, 'file')}\n`
  })
  return [...bad.map(findingLine), ...counts].join('')
}
