import type { Finding } from '../../evidence/doctor/finding.ts'
import { counted } from '../../model/amounts.ts'
import { shown } from './shown.ts'

const SIGNS: Record<Finding['state'], string> = { good: 'ok  ', note: 'note', bad: 'BAD ' }

/** A line for each finding, its remedy below it, and at the end whether anything is broken. */
export function doctorText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, state, says, remedy }) => [
    `${SIGNS[state]}  ${check}: ${says}`,
    ...(remedy === undefined ? [] : [`      -> ${remedy}`]),
  ])
  const broken = findings.filter(({ state }) => state === 'bad').length
  const end = broken === 0 ? 'Nothing is broken' : `${counted(broken, 'thing')} ${broken === 1 ? 'is' : 'are'} broken`
  return [...lines, '', end].map((line) => `${shown(line)}\n`).join('')
}
