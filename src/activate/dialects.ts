import { bashAtExit, shAtExit, zshAtExit } from './at-exit.ts'
import { csh } from './csh.ts'
import type { Dialect } from './dialect.ts'
import { fish } from './fish.ts'
import { posix } from './posix.ts'

export const dialects = {
  bash: posix({
    builtin: '\\builtin ',
    special: '\\builtin ',
    // `command` keeps a script with a syntax error from ending the session in POSIX mode; after `builtin`, errexit
    // wouldn't rest.
    dot: '\\command .',
    isFunction: (name) => `\\builtin typeset -f ${name} > /dev/null`,
    rehash: '\\builtin hash -r 2> /dev/null',
    condition: true,
    atExit: bashAtExit,
  }),
  zsh: posix({
    builtin: '\\builtin ',
    special: '\\builtin ',
    dot: '\\builtin .',
    isFunction: (name) => `\\builtin typeset -f ${name} > /dev/null`,
    rehash: '\\builtin rehash',
    condition: true,
    atExit: zshAtExit,
  }),
  sh: posix({
    // A function can't take the place of a special builtin here, and of the others not where `command` is said.
    builtin: '\\command ',
    special: '\\',
    dot: '\\command .',
    isFunction: (name) => `\\command [ "$(\\command -v ${name})" = ${name} ]`,
    rehash: '\\command hash -r',
    condition: false,
    atExit: shAtExit,
  }),
  fish,
  tcsh: csh,
  csh,
} satisfies Record<string, Dialect>

export type DialectName = keyof typeof dialects

export const isDialect = (name: string): name is DialectName => Object.hasOwn(dialects, name)
