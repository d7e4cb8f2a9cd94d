import type { Finding } from '../../evidence/doctor/finding.ts'
import { shown } from './shown.ts'

const SIGNS: Record<Finding['state'], string> = { good: 'ok  ', note: 'note', bad: 'BAD ' }

/** A line for each finding, its remedy below it. If something is broken, the error says so. */
export function doctorText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, state, says, remedy }) => [
    `${SIGNS[state]}  ${check}: ${says}`,
    ...(remedy === undefined ? [] : [`      -> ${remedy}`]),
  ])
  if (!findings.some(({ state }) => state === 'bad')) lines.push('', 'Nothing is broken')
  return lines.map((line) => `${shown(line)}\n`).join('')
}
