import { readFileSync } from 'node:fs'
import type { Dialect } from '../activate/dialect.ts'
import { type DialectName, dialects } from '../activate/dialects.ts'
import type { OnFailure } from '../config/settings.ts'
import { AUTO_STAGE, AUTO_UNSTAGE, LEAVE } from '../model/auto-scripts.ts'

/** How to stage automatically. Settings and variables decide about missing values when the environment is activated. */
export interface AutoStaging {
  /** Remove the copy when the session leaves it. */
  unstage: boolean
  writable?: boolean
  withConda?: boolean
  onFailure?: OnFailure
  /** How long the copy stands for the next session when nobody uses it; Infinity: until it is unstaged. */
  keepMinutes?: number
  /** As --path; absolute. */
  path?: string
  /** Code for the session's shell, which runs before the script looks for conda-stage. */
  prologue?: string
}

export interface AutoScript {
  /** Below the prefix. */
  path: string
  text: string
}

/** One dialect for each kind of script that conda runs. */
const SHELLS: readonly DialectName[] = ['sh', 'fish', 'tcsh']

/** The scripts of an original, for all shells. `launcher`: absolute path of bin/conda-stage. */
export function autoScripts(staging: AutoStaging, launcher: string): AutoScript[] {
  const words = { LAUNCHER: [launcher], PROLOGUE: [staging.prologue ?? ''], ARGUMENTS: argumentsOf(staging) }
  return [
    ...scripts(AUTO_STAGE, 'auto-stage', words),
    ...(staging.unstage ? scripts(AUTO_UNSTAGE, 'auto-unstage', words) : []),
  ]
}

/** The scripts of a copy that remove it when the session leaves it, for all shells. */
export const leaveScripts = (launcher: string): AutoScript[] => scripts(LEAVE, 'auto-unstage', { LAUNCHER: [launcher] })

/** `words`: what stands for `@NAME@` in the template. */
function scripts(path: string, template: string, words: Record<string, string[]>): AutoScript[] {
  return SHELLS.map((shell) => {
    const { scriptExtension: end, quote }: Dialect = dialects[shell]
    const fill = (_: string, name: string) => words[name]!.map(quote).join(' ')
    return { path: path + end, text: readTemplate(template + end).replaceAll(/@([A-Z]+)@/g, fill) }
  })
}

const argumentsOf = ({ unstage, writable, withConda, onFailure, keepMinutes, path }: AutoStaging): string[] => [
  `--auto-unstage=${unstage ? 'enable' : 'disable'}`,
  ...(writable === undefined ? [] : [writable ? '--writable' : '--read-only']),
  ...(withConda ? ['--with-conda'] : []),
  ...(onFailure === undefined ? [] : [`--on-failure=${onFailure}`]),
  ...(keepMinutes === undefined ? [] : [`--keep=${Number.isFinite(keepMinutes) ? keepMinutes : 'unlimited'}`]),
  ...(path === undefined ? [] : [`--path=${path}`]),
]

const readTemplate = (name: string): string => readFileSync(new URL(`./templates/${name}`, import.meta.url), 'utf8')
