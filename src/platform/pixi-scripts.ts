import { openSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { processFacts } from './process-identity.ts'

/** A bash of pixi's: most often a run of the scripts of [activation], by which pixi finds out which variables they set. */
export interface PixiScripts {
  /** Process of pixi. */
  pid: number
  /** Whether pixi opens a shell or runs a command with these variables, and waits for it. */
  waits: boolean
  /** Whether pixi keeps what is written to standard error. */
  keepsErrors: boolean
}

/**
 * The run that this shell is there for, if pixi has started it. `pixi run` and `pixi shell` run the scripts in a bash that ends before
 * the user's command or shell starts, and pass on the variables that have changed. So that bash can't use a copy for anybody, and pixi
 * can. (After `pixi shell-hook`, the user's own shell runs the scripts.) Other subcommands only print the variables, or build packages
 * with them while the environment is being installed.
 *
 * Sources: `run_activation` in crates/rattler_shell/src/activation.rs of rattler; `start_unix_shell` in crates/pixi_cli/src/shell.rs,
 * `generate_environment_json` in its shell_hook.rs, `LazyPixiEnvironmentVars` in crates/pixi_core/src/lock_file/update.rs and
 * `get_metadata_env` in crates/pixi_core/src/activation.rs of pixi: PIXI_EXE is the path of its program.
 */
export function pixiScripts(
  { dialect, pid, flags }: { dialect: string; pid: number | undefined; flags: string },
  { PIXI_EXE }: Readonly<Record<string, string | undefined>>,
): PixiScripts | undefined {
  if (!PIXI_EXE || pid === undefined || dialect !== 'bash' || flags.includes('i')) return undefined
  const parent = processFacts(pid)?.parent ?? 0
  try {
    if (readlinkSync(`/proc/${parent}/exe`) !== PIXI_EXE) return undefined
    // Else it is the command itself: `pixi run bash job.sh`.
    const isScripts = wordsOf(pid).some((word) => basename(word) === 'activation.sh')
    return { pid: parent, waits: !isScripts || WAITING.has(subcommandIn(wordsOf(parent))), keepsErrors: isScripts }
  } catch {
    return undefined // a process of another user, or none
  }
}

/** With the aliases that pixi shows in its help. */
const WAITING: ReadonlySet<string> = new Set(['run', 'r', 'shell', 's'])

/** Of the options that may stand before it, `--color` alone takes a value. @internal Exported for its tests. */
export const subcommandIn = (words: readonly string[]): string =>
  words.find((word, at) => at > 0 && !word.startsWith('-') && words[at - 1] !== '--color') ?? ''

const wordsOf = (pid: number): string[] => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)

/** A descriptor for the terminal of this session, whatever the standard streams are. undefined: there is none. */
export function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'w')
  } catch {
    return undefined
  }
}
