import { quotePosix as quote } from './quote.ts'
import type { AtExitStep } from './steps.ts'

/**
 * How one shell runs a command when it ends, after whatever the session itself runs then. The command is one line. Like all
 * steps, it may use the function's positional parameters.
 */
export interface AtExit {
  add(command: string, step: AtExitStep): string[]
  /** Does nothing if the command was not added. */
  remove(command: string, step: AtExitStep): string[]
}

/** A subshell prints its parent's trap as if it were its own, so the lines only run in the session's own shell. */
const inSession = (lines: string[], { pid }: AtExitStep): string[] => [`case "$$" in ${pid})`, ...lines, ';; esac']

/** One line of the EXIT trap. `trap -p` prints code that sets the trap. */
export const bashAtExit: AtExit = {
  add: (command, step) =>
    inSession(
      [
        `\\builtin set -- ${quote(command)} "$(\\builtin trap -p EXIT)"`,
        'case "$2" in',
        // POSIX mode prints this if there is no trap.
        `'' | 'trap -- - EXIT') \\builtin trap -- "$1" EXIT ;;`,
        `"trap -- '"*"' EXIT")`,
        `\\builtin eval "\\\\builtin set -- \\"\\$1\\" \${2#trap -- }"`,
        '\\builtin trap -- "$2\n$1" EXIT ;;',
        'esac',
        '\\builtin set --',
      ],
      step,
    ),
  remove: (command, step) =>
    inSession(
      [
        `\\builtin set -- ${quote(command)} "$(\\builtin trap -p EXIT)"`,
        'case "$2" in',
        `"trap -- '"*"' EXIT") \\builtin eval "\\\\builtin set -- \\"\\$1\\" \${2#trap -- }" ;;`,
        'esac',
        ...withoutLine('\\builtin trap'),
        '\\builtin set --',
      ],
      step,
    ),
}

/** Takes the line $1 out of $2, the code of the EXIT trap, if it is there. */
const withoutLine = (trap: string): string[] => [
  'case "$2" in',
  `"$1") ${trap} - EXIT ;;`,
  `"$1\n"*) ${trap} -- "\${2#"$1\n"}" EXIT ;;`,
  `*"\n$1") ${trap} -- "\${2%"\n$1"}" EXIT ;;`,
  `*"\n$1\n"*) ${trap} -- "\${2%%"\n$1\n"*}\n\${2#*"\n$1\n"}" EXIT ;;`,
  'esac',
]

/**
 * A trap that is set in a function belongs to that function. Hooks do not, and they stay whatever trap the session sets. They
 * also run when a subshell calls `exit` (seen in 5.9, although the manual says otherwise).
 */
export const zshAtExit: AtExit = {
  add: (command, step) =>
    inSession(
      [
        `\\builtin eval ${quote(`function ${hookName(step)} { [[ $ZSH_SUBSHELL != 0 ]] || ${command}; }`)}`,
        '\\builtin typeset -ga zshexit_functions',
        `zshexit_functions+=(${hookName(step)})`,
      ],
      step,
    ),
  remove: (_, step) => [
    `if \\builtin typeset -f ${hookName(step)} > /dev/null; then`,
    `\\builtin unset -f ${hookName(step)}`,
    `zshexit_functions=("\${(@)zshexit_functions[@]:#${hookName(step)}}")`,
    `\\builtin [ "\${#zshexit_functions[@]}" -gt 0 ] || \\builtin unset zshexit_functions`,
    'fi',
  ],
}

const hookName = ({ id }: AtExitStep): string => `__conda_stage_exit_${id}`

/**
 * One line of the EXIT trap. In dash, `trap` prints the traps (EXIT first) only outside of a command substitution, so its output
 * goes through a file: in the stage's folder, or in a temporary one if the stage may be gone by then.
 */
export const shAtExit: AtExit = {
  add: (command, step) => {
    const file = quote(`${step.whileThere}.traps`)
    return inSession(
      [
        `\\trap >| ${file}`,
        `\\set -- ${quote(command)} "$(PATH=/usr/bin:/bin; \\command cat ${file}; \\command rm -f -- ${file})"`,
        'case "$2" in',
        `"trap -- '"*) \\eval "\\\\set -- \\"\\$1\\" \${2#trap -- }" ;;`,
        '*) \\set -- "$1" "$2" none ;;',
        'esac',
        'case "$3$2" in',
        'EXIT*) \\trap -- "$2\n$1" EXIT ;;',
        '*" EXIT"*) ;;',
        '*) \\trap -- "$1" EXIT ;;',
        'esac',
        '\\set --',
      ],
      step,
    )
  },
  remove: (command, step) =>
    inSession(
      [
        `\\set -- ${quote(command)} "$(PATH=/usr/bin:/bin \\command mktemp 2> /dev/null)"`,
        'case "$2" in ?*)',
        '\\trap >| "$2"',
        '\\set -- "$1" "$(PATH=/usr/bin:/bin; \\command cat "$2"; \\command rm -f -- "$2")"',
        'case "$2" in',
        `"trap -- '"*) \\eval "\\\\set -- \\"\\$1\\" \${2#trap -- }" ;;`,
        '*) \\set -- "$1" "" none ;;',
        'esac',
        'case "$3" in EXIT)',
        ...withoutLine('\\trap'),
        ';; esac',
        ';; esac',
        '\\set --',
      ],
      step,
    ),
}
