/** Nodes on this machine that ssh reaches: each has a name, a disk of its own, and sees neither the original nor its archive. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../cli/world.ts'
import { freePort } from '../fixtures/free-port.ts'

export interface SshNodes {
  /** Has an `ssh` that knows the nodes. */
  env: { PATH: string }
  /** Runs a command on a node, and returns what it prints. */
  on(node: string, command: string): string
}

/** `sh` gets the node's name, the folder of its disk, the disk's size, a folder to hide, and the program. */
const NODE = [
  ...['unshare', '--mount', '--uts', '--propagation=private', 'sh', '-ec'],
  `hostname "$1"
  mount -t tmpfs -o "mode=1777,size=$3" disk "$2"
  mount -t tmpfs -o mode=755 hidden "$4"
  mount -t tmpfs -o mode=755 run /run
  mkdir /run/sshd
  shift 4
  exec "$@"`,
  'sh',
]

/**
 * Starts n1, n2, ... That takes root. Two further names are known: `gone` refuses connections, and `silent` never answers one.
 * @param sizes of the nodes' disks, as mount takes them
 * @param hidden what the nodes don't see: the folder of the original and its archive, or the original alone
 */
export async function startSshNodes(
  context: TestContext,
  place: World,
  sizes: readonly string[],
  hidden = dirname(place.prefix),
): Promise<SshNodes> {
  const root = `${place.root}/ssh`
  mkdirSync(`${root}/bin`, { recursive: true, mode: 0o700 })
  for (const key of ['host', 'user'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${root}/${key}`])
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  context.after(() => void silent.close())
  const port = await freePort()
  configure({ root, local: place.local, port }, (silent.address() as { port: number }).port)
  const nodes = sizes.map((size, at) => ({ name: `n${at + 1}`, size, address: `127.0.0.${at + 1}` }))
  const env = { PATH: `${root}/bin:${place.env.PATH}` }
  const on = (node: string, command: string): string =>
    execFileSync('ssh', [node, command], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const { name, size, address } of nodes) {
    const daemon = ['/usr/sbin/sshd', '-D', '-f', `${root}/sshd_config`, '-o', `ListenAddress=${address}`]
    const [program, ...args] = [...NODE, name, place.local, size, hidden, ...daemon] as [string, string]
    const child = spawn(program, args, { stdio: 'ignore' })
    context.after(() => ended(child))
  }
  for (const { name } of nodes) await until(() => on(name, 'true'))
  return { env, on }
}

function configure({ root, local, port }: { root: string; local: string; port: number }, silentPort: number): void {
  const publicKey = readFileSync(`${root}/host.pub`, 'utf8')
  writeFileSync(`${root}/known_hosts`, `nodes ${publicKey}`)
  writeFileSync(
    `${root}/sshd_config`,
    `Port ${port}
    HostKey ${root}/host
    AuthorizedKeysFile ${root}/user.pub
    StrictModes no
    PermitRootLogin yes
    UsePAM no
    PidFile none
    MaxStartups 100
    SetEnv TMPDIR=${local}
    `,
  )
  writeFileSync(
    `${root}/ssh_config`,
    `${[1, 2, 3].map((n) => `Host n${n}\n HostName 127.0.0.${n}\n`).join('')}
    Host gone
      HostName 127.0.0.9
    Host silent
      HostName 127.0.0.1
      Port ${silentPort}
    Host *
      Port ${port}
      IdentityFile ${root}/user
      IdentitiesOnly yes
      UserKnownHostsFile ${root}/known_hosts
      HostKeyAlias nodes
      StrictHostKeyChecking yes
    `,
  )
  // The first value of an option counts: the tests don't wait as long as users do.
  writeFileSync(`${root}/bin/ssh`, `#!/bin/sh\nexec /usr/bin/ssh -F ${root}/ssh_config -o ConnectTimeout=2 "$@"\n`)
  chmodSync(`${root}/bin/ssh`, 0o755)
}

async function until(body: () => unknown): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      return void body()
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'exit')
}
