import { openSync, readlinkSync } from 'node:fs'
import { processFacts } from './process-identity.ts'

/**
 * pixi, if it has started this shell to see what the scripts of [activation] do. `pixi run` and `pixi shell` run them in a bash that
 * ends before the user's command or shell starts, and pass on the variables that have changed. So that bash can't use a copy for
 * anybody. pixi can: it waits for the command or the shell. (After `pixi shell-hook`, the user's own shell runs the scripts.)
 *
 * Sources: `run_activation` in crates/rattler_shell/src/activation.rs of rattler; `start_unix_shell` in crates/pixi_cli/src/shell.rs and
 * `get_metadata_env` in crates/pixi_core/src/activation.rs of pixi: PIXI_EXE is the path of its program.
 */
export function pixiRunning(
  { dialect, pid, flags }: { dialect: string; pid: number | undefined; flags: string },
  { PIXI_EXE }: Readonly<Record<string, string | undefined>>,
): number | undefined {
  if (!PIXI_EXE || pid === undefined || dialect !== 'bash' || flags.includes('i')) return undefined
  const parent = processFacts(pid)?.parent ?? 0
  try {
    return readlinkSync(`/proc/${parent}/exe`) === PIXI_EXE ? parent : undefined
  } catch {
    return undefined // a process of another user, or none
  }
}

/** A descriptor for the terminal of this session, whatever the standard streams are. undefined: there is none. */
export function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'w')
  } catch {
    return undefined
  }
}
