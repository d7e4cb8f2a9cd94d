import { heading } from './messages.ts'
import { shown } from './shown.ts'

/** Lines of a name and what it is. Rows without a value are left out. */
export const rows = (all: readonly (readonly [name: string, value: string | undefined])[]): string =>
  all
    .flatMap(([name, value]) => {
      if (value === undefined) return []
      return `${heading(`${name}:`)}${' '.repeat(Math.max(1, 20 - name.length))}${shown(value)}\n`
    })
    .join('')
