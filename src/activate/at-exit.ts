import { quotePosix as quote } from './quote.ts'
import type { AtExitStep } from './steps.ts'

/**
 * How one shell has a command run when it ends, after what the session itself has asked for. The command is a line. Like all
 * steps it may use the function's positional parameters.
 */
export interface AtExit {
  add(command: string, step: AtExitStep): string[]
  /** Does nothing where the command is not there. */
  remove(command: string, step: AtExitStep): string[]
}

/** A subshell shows its parent's trap as if it had it; there nothing is done. */
const inSession = (lines: string[], { pid }: AtExitStep): string[] => [`case "$$" in ${pid})`, ...lines, ';; esac']

/** A line of the EXIT trap. What `trap -p` prints is code that sets the trap. */
export const bashAtExit: AtExit = {
  add: (command, step) =>
    inSession(
      [
        `\\builtin set -- ${quote(command)} "$(\\builtin trap -p EXIT)"`,
        'case "$2" in',
        // In POSIX mode it is printed so where there is none.
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
        'case "$2" in',
        '"$1") \\builtin trap - EXIT ;;',
        `"$1\n"*) \\builtin trap -- "\${2#"$1\n"}" EXIT ;;`,
        `*"\n$1") \\builtin trap -- "\${2%"\n$1"}" EXIT ;;`,
        `*"\n$1\n"*) \\builtin trap -- "\${2%%"\n$1\n"*}\n\${2#*"\n$1\n"}" EXIT ;;`,
        'esac',
        '\\builtin set --',
      ],
      step,
    ),
}

/**
 * A trap that is set in a function would be the function's own. Hooks stay beside whatever trap the session sets. They run when a
 * subshell says `exit`, too (5.9, whatever the manual says).
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
 * A line of the EXIT trap. In dash only `trap` itself, not in a command substitution, prints the traps, EXIT first. It
 * stays when the stage is gone, and does nothing then.
 */
export const shAtExit: AtExit = {
  add: (command, step) => {
    const file = quote(`${step.whileThere}.traps`)
    return inSession(
      [
        `\\trap >| ${file}`,
        `\\set -- ${quote(command)} "$(PATH=/usr/bin:/bin; \\command cat ${file})"`,
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
  remove: () => [],
}
