/**
 * Goes in front of a command, by strace: these calls fail with this errno. `path` restricts it to one path. `when` counts the calls
 * of each thread by themselves.
 */
export function failing(call: string, errno: string, { path, when }: { path?: string; when?: string } = {}): string[] {
  const inject = `inject=${call}:error=${errno}${when === undefined ? '' : `:when=${when}`}`
  const only = path === undefined ? [] : ['-P', path]
  return ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, ...only, '-e', inject]
}
