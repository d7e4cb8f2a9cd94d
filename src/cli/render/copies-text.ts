import { counted, duration, megabytes } from '../../model/amounts.ts'
import type { CopyUser, StagedCopy } from '../../pipeline/copies.ts'
import { programOf } from '../../platform/surroundings.ts'
import { clock } from './holder-text.ts'
import { shown } from './shown.ts'

/** A few lines for each copy: where, of what, how large and old, and who uses it. */
export const copiesText = (copies: readonly StagedCopy[], active: string | undefined): string =>
  copies.map((copy) => copyText(copy, active)).join('')

function copyText(copy: StagedCopy, active: string | undefined): string {
  const { prefix, original, form, bytes, sharedBytes, created, readOnly, isPrivate, nodes } = copy
  const facts = [
    bytes === undefined ? undefined : megabytes(bytes),
    sharedBytes ? `${megabytes(sharedBytes)} of it shared with others` : undefined,
    `${duration((Date.now() - Date.parse(created)) / 1000)} old`,
    FORM[form],
    readOnly ? undefined : 'writable',
    readOnly && isPrivate ? 'private' : undefined,
  ]
  return [
    `  ${prefix}${prefix === active ? ' (active)' : ''}`,
    `    of ${original}, ${facts.filter((fact) => fact !== undefined).join(', ')}`,
    `    ${useOf(copy)}`,
    ...(nodes ? [`    on ${counted(nodes.length, 'node')}: ${nodes.join(',')}`] : []),
  ]
    .map((line) => `${shown(line)}\n`)
    .join('')
}

const FORM = { tree: undefined, plain: "for the original's own place", image: 'an image', mount: 'a mounted image' }

function useOf({ users, programs, keptUntil }: StagedCopy): string {
  if (users.length > 0) return `used by ${users.map(userText).join('; ')}`
  if (programs) return `used by programs that run from it: ${programs.map(processText).join('; ')}`
  if (keptUntil === undefined) return 'not in use'
  return keptUntil === null ? 'not in use, kept' : `not in use, kept until ${clock(keptUntil)}`
}

function userText({ kind, job, pids, since, unread }: CopyUser): string {
  if (unread !== undefined) return `somebody unknown: ${unread}`
  const from = clock(Date.parse(since))
  if (kind === 'job' && job) return `job ${job.id} since ${from}`
  const pid = pids.at(kind === 'login' ? -1 : 0)
  if (pid === undefined) return `somebody unknown since ${from}`
  const more = kind === 'programs' && pids.length > 1 ? ` and ${pids.length - 1} more` : ''
  const within = job ? ` of job ${job.id}` : ''
  return `${kind === 'login' ? 'login session' : 'process'} ${namedProcess(pid)}${more}${within} since ${from}`
}

const processText = (pid: number): string => `process ${namedProcess(pid)}`

function namedProcess(pid: number): string {
  const program = programOf(pid)
  return `${pid}${program && ` (${program})`}`
}
