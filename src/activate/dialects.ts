import { bashAtExit, shAtExit, zshAtExit } from './at-exit.ts'
import { csh } from './csh.ts'
import type { Dialect } from './dialect.ts'
import { fish } from './fish.ts'
import { posix } from './posix.ts'
import { quotePosix } from './quote.ts'

export const dialects = {
  bash: posix({
    builtin: '\\builtin ',
    special: '\\builtin ',
    // In POSIX mode, a script with a syntax error would end the session without `command`. After `builtin`, errexit would
    // stay active inside of the script.
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
    label: ({ from, to }) => [
      `if \\builtin [ "\${psvar[9]-}" = ${quotePosix(from)} ]; then psvar[9]=${quotePosix(to)}; fi`,
    ],
  }),
  sh: posix({
    // Here a function can't replace a special builtin, and `command` bypasses those that replace other builtins.
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
