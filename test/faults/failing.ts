/**
 * Goes in front of a command, by strace: calls by their names, each with the errno with which it fails. `path` restricts that to
 * calls on one path. `when` counts the calls of each thread by themselves.
 */
export function failing(
  calls: Readonly<Record<string, string>>,
  { path, when }: { path?: string; when?: string } = {},
): string[] {
  const at = when === undefined ? '' : `:when=${when}`
  const inject = Object.entries(calls).flatMap(([call, errno]) => ['-e', `inject=${call}:error=${errno}${at}`])
  const only = path === undefined ? [] : ['-P', path]
  const trace = `trace=${Object.keys(calls).join()}`
  return ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', trace, ...only, ...inject]
}
