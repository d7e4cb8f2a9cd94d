import { readFileSync } from 'node:fs'
import type { Dialect } from '../activate/dialect.ts'
import { type DialectName, dialects } from '../activate/dialects.ts'
import { AUTO_STAGE, AUTO_UNSTAGE } from '../model/auto-scripts.ts'

/** How to stage automatically. Settings and variables decide about missing values when the environment is activated. */
export interface AutoStaging {
  /** Remove the copy when the session leaves it. */
  unstage: boolean
  writable?: boolean
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

/** The scripts for all shells. `launcher`: absolute path of bin/conda-stage. */
export function autoScripts(staging: AutoStaging, launcher: string): AutoScript[] {
  const words = { LAUNCHER: [launcher], PROLOGUE: [staging.prologue ?? ''], ARGUMENTS: argumentsOf(staging) }
  return SHELLS.flatMap((shell) => {
    const dialect: Dialect = dialects[shell]
    const end = dialect.scriptExtension
    const script = (path: string, template: string): AutoScript => ({
      path: path + end,
      text: readTemplate(template + end).replaceAll(/@([A-Z]+)@/g, (_, key: keyof typeof words) =>
        words[key].map(dialect.quote).join(' '),
      ),
    })
    return [script(AUTO_STAGE, 'auto-stage'), ...(staging.unstage ? [script(AUTO_UNSTAGE, 'auto-unstage')] : [])]
  })
}

const argumentsOf = ({ unstage, writable, path }: AutoStaging): string[] => [
  `--auto-unstage=${unstage ? 'enable' : 'disable'}`,
  ...(writable === undefined ? [] : [writable ? '--writable' : '--read-only']),
  ...(path === undefined ? [] : [`--path=${path}`]),
]

const readTemplate = (name: string): string => readFileSync(new URL(`./templates/${name}`, import.meta.url), 'utf8')
