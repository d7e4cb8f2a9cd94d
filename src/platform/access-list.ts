import { execFile } from 'node:child_process'

/**
 * Whether a file has an access list (ACL) beside its mode. Node has no call for it, so `ls` is asked, which marks such a
 * file with '+'. If it can't answer, the file counts as having one.
 */
export function hasAccessList(path: string): Promise<boolean> {
  // The system's own `ls`: an environment's may have been built without them.
  const options = { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } }
  return new Promise((resolve) => {
    execFile('ls', ['-ld', '--', path], options, (error, stdout) => resolve(error !== null || stdout[10] === '+'))
  })
}
