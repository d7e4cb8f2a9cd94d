export const ON_NODE_FAILURE = ['continue', 'fail']

export interface NodeOptions {
  /** `all`, or a list. */
  nodes?: string
  /** A launcher's name, or a command with `{node}`. */
  launcher?: string
  onNodeFailure: 'continue' | 'fail'
}

/** Options of a copy on several nodes. */
export function nodeOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  settings: { private: boolean; writable: boolean },
  usage: (message: string) => Error,
): NodeOptions {
  if (given.nodes === undefined) {
    if (given.launcher !== undefined) throw usage('--launcher works only with --nodes')
    if (given.onNodeFailure !== undefined) throw usage('--on-node-failure works only with --nodes')
    return { onNodeFailure: 'fail' }
  }
  if (action !== 'stage' || given.dryRun) throw usage('--nodes works only with --stage')
  if (given.nodes === '') throw usage('--nodes is empty')
  if (settings.private || settings.writable)
    throw usage(
      "--nodes makes copies that are shared and read-only: it can't be combined with --writable and --private",
    )
  return {
    nodes: given.nodes as string,
    ...(given.launcher !== undefined && { launcher: given.launcher as string }),
    onNodeFailure: (given.onNodeFailure ?? 'fail') as NodeOptions['onNodeFailure'],
  }
}
