import { basename } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { dialects, isDialect } from '../activate/dialects.ts'

/** Shells that get the POSIX function. */
const POSIX = ['ash', 'dash', 'ksh', 'ksh93', 'mksh', 'oksh', 'pdksh', 'yash']

/** The option --source. It takes a shell by name or by path, as in --source=$SHELL. */
export const sourceOption = (): Option =>
  new Option('--source [shell]', "print the shell function, for 'eval'")
    .choices(Object.keys(dialects))
    .argParser((text) => {
      const name = basename(text).replace(/^-/, '')
      if (isDialect(name)) return name
      if (POSIX.includes(name)) return 'sh'
      throw new InvalidArgumentError(`Allowed choices are ${[...Object.keys(dialects), ...POSIX].join(', ')}.`)
    })
