import type { Variables } from '../platform/job.ts'

export const LAUNCHER_NAMES = ['srun', 'pbsdsh', 'blaunch', 'qrsh', 'mpirun', 'ssh'] as const
export type LauncherName = (typeof LAUNCHER_NAMES)[number]

/** Starts our program on the nodes of a job. */
export interface Launcher {
  /** As --launcher takes it: one of LAUNCHER_NAMES, or a command of the user's own. */
  name: string
  /**
   * How the archive gets to the nodes:
   * - sbcast: by the launcher's own `send`, into a folder that each node has made
   * - stdin: through the standard input of each process, which the launcher starts one by one
   * - shared: the launcher passes no standard streams; each node reads the archive itself, and all is said through a folder (folder.ts)
   */
  transfer: 'sbcast' | 'stdin' | 'shared'
  /**
   * The nodes that are meant, by the names that this launcher takes, the first of them first.
   * @param asked `all`, or a list as the user wrote it
   * @throws StageError USAGE, NODES_FAILED
   */
  nodes(asked: string): Promise<string[]>
  /** What starts `argv` on the nodes: one command for all of them, or one for each. */
  commands(nodes: readonly string[], argv: Start['argv']): Start[]
  /** How a user starts programs on the nodes of $CONDA_STAGE_NODES alone, if the launcher has a way. */
  onThese?: string
  /**
   * With `sbcast`: the command that copies a file to all nodes on which our processes run.
   * @param step what a process said of itself in its `hello`
   */
  send?(file: string, to: string, step: string): Omit<Start, 'nodes'>
  /** The nodes whose processes have ended by what a line of the command's standard error says, if one command serves several. */
  lost?(line: string): string[]
}

/** A program to run, found by PATH, and its whole environment. */
export interface Start {
  /** Where it starts a process each. With one node, that is the name of whatever answers. */
  nodes: readonly string[]
  argv: readonly [string, ...string[]]
  env: Variables
}
