import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Dialect } from './dialect.ts'
import { type DialectName, dialects } from './dialects.ts'

const TEMPLATES = new URL('./templates/', import.meta.url)

/**
 * The code of the shell function, as `--source` prints it.
 *
 * @param launcher absolute path of bin/conda-stage
 */
export function hook(dialect: DialectName, launcher: string): string {
  const { quote } = dialects[dialect]
  const values = { LAUNCHER: launcher, TEMPLATES: fileURLToPath(TEMPLATES).replace(/\/$/, '') }
  // @@NAME@@ stands in text that the shell reads twice.
  return template('hook', dialect).replaceAll(/(@@?)(LAUNCHER|TEMPLATES)\1/g, (_, signs: string, name: string) => {
    const once = quote(values[name as keyof typeof values])
    return signs === '@' ? once : quote(once)
  })
}

/** Code that removes everything that `hook` defines. It succeeds even if none of that is there. */
export const unhook = (dialect: DialectName): string => template('unhook', dialect)

function template(kind: string, dialect: DialectName): string {
  const { templates = dialect }: Dialect = dialects[dialect]
  const text = readFileSync(new URL(`${kind}.${templates}`, TEMPLATES), 'utf8')
  return text.replaceAll(/^ *#.*\n/gm, '') // by default, an interactive zsh doesn't accept comments
}
