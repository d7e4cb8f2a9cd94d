import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** The fields of each line of /etc/passwd or /etc/group; empty if it can't be read. */
export async function readAccounts(file: string): Promise<string[][]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').map((line) => line.split(':'))
}

/** The line with this number: one of `lines`, else what the node's directory service knows. */
export async function accountOf(
  id: number,
  database: 'passwd' | 'group',
  lines: readonly string[][],
): Promise<string[] | undefined> {
  const found = lines.find(([, , number]) => number === String(id))
  if (found !== undefined) return found
  // A service that does not answer must not stop us.
  const options = { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, timeout: 5000 }
  return new Promise((resolve) => {
    execFile('getent', [database, String(id)], options, (error, stdout) =>
      resolve(error ? undefined : stdout.trim().split(':')),
    )
  })
}

/** For messages: `alice (uid 1000)`, or the number alone if the node knows no name. */
export async function describeUser(uid: number): Promise<string> {
  const account = await accountOf(uid, 'passwd', await readAccounts('/etc/passwd'))
  return account ? `${account[0]} (uid ${uid})` : `uid ${uid}`
}
