import { heading } from './messages.ts'

/** Lines of a name and what it is. Rows without a value are left out. */
export const rows = (all: readonly (readonly [name: string, value: string | undefined])[]): string =>
  all
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${heading(`${name}:`)}${' '.repeat(Math.max(1, 20 - name.length))}${value}\n`)
    .join('')
