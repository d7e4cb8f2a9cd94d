import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { statfsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { buildSlowfs } from './build.ts'

export interface SlowOptions {
  /** Milliseconds that each look-up, getattr, open and opendir takes. Default 2. */
  latencyMs?: number
  /** The same for the fstat of an open file. Default latencyMs. */
  fstatMs?: number
  /** The same for close. Default latencyMs. */
  closeMs?: number
  /** An open brings the attributes, so that an fstat soon after it asks nobody: NFS and BeeGFS do so, Lustre does not. Default false. */
  keepAttributes?: boolean
  /** 10^6 bytes a second, for all readers together; 0 is unlimited. Default 200. */
  bandwidthMb?: number
  /** Seconds for which the kernel may keep names and attributes. Default 0.5. Tests that count exactly set it high. */
  validSeconds?: number
  /** Listings say which names are folders. NFS without READDIRPLUS and old XFS give no types. Default true. */
  types?: boolean
}

export interface SlowMount {
  /**
   * Requests by kind since the mount or the last reset (`lookup`, `getattr`, `open`, `opendir`, `readdir`, `read`, ...; see
   * KINDS in cost.h), `readBytes`, `writtenBytes`, `maxInFlight` (the most requests that waited at the same
   * time), `waiting` (requests that hang now) and `serverCpuMs` (CPU time of the server itself).
   */
  counters(): Promise<Record<string, number>>
  /** From now on, all requests that match fail with this errno. */
  fail(fault: Fault, errno: number): Promise<void>
  /** From now on, no request that matches gets an answer. A caller that is killed ends all the same. */
  hang(fault: Fault): Promise<void>
  /** Ends the fault, and answers what waits. */
  release(): Promise<void>
  reset(): Promise<void>
  /** Removes the mount, even if it is in use. May be called twice. */
  unmount(): Promise<void>
}

/** Which requests have a fault. There is one fault at a time. */
interface Fault {
  /** Of KINDS in cost.h; by default any. */
  kind?: string
  /** So many requests that match are answered before. */
  after?: number
  /** Last part of the path. */
  name?: string
}

type Server = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Mounts `source` slowly at `mountPoint`, which may be `source` itself. The server ends when this process does, even
 * if it is killed: it unmounts when its standard input closes.
 */
export async function mountSlow(source: string, mountPoint: string, options: SlowOptions = {}): Promise<SlowMount> {
  const { latencyMs = 2, fstatMs = latencyMs, closeMs = latencyMs, bandwidthMb = 200, validSeconds = 0.5 } = options
  const { keepAttributes = false, types = true } = options
  const costs = [
    `--latency-ms=${latencyMs}`,
    `--fstat-ms=${fstatMs}`,
    `--close-ms=${closeMs}`,
    `--bandwidth-mb=${bandwidthMb}`,
    `--valid-s=${validSeconds}`,
    ...(keepAttributes ? ['--keep-attributes'] : []),
    ...(types ? [] : ['--no-types']),
  ]
  // In a session of its own: Ctrl-C must not take the file system from under a bench that is tidying up.
  const server: Server = spawn(buildSlowfs(), [...costs, '--', source, mountPoint], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const ask = conversation(server)
  await ask('reset')
  return {
    counters: () => ask('counters'),
    reset: async () => void (await ask('reset')),
    fail: async ({ kind = 'any', after = 0, name = '' }, errno) =>
      void (await ask(`fail ${kind} ${errno} ${after} ${name}`.trimEnd())),
    hang: async ({ kind = 'any', after = 0, name = '' }) => void (await ask(`hang ${kind} ${after} ${name}`.trimEnd())),
    release: async () => void (await ask('release')),
    unmount: () => unmount(server, mountPoint),
  }
}

/** Each word is answered by one line of JSON. Keeps this process alive only while an answer is due. */
function conversation(server: Server): (word: string) => Promise<Record<string, number>> {
  const handles = [server, server.stdin as Socket, server.stdout as Socket, server.stderr as Socket]
  const waiting: { resolve(counters: Record<string, number>): void; reject(error: Error): void }[] = []
  let complaint = ''
  const release = () => {
    if (waiting.length === 0) for (const handle of handles) handle.unref()
  }
  server.stdin.on('error', () => {}) // a server that has ended is reported by 'close'
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  createInterface({ input: server.stdout }).on('line', (line) => {
    waiting.shift()?.resolve(JSON.parse(line))
    release()
  })
  server.on('close', () => {
    for (const { reject } of waiting.splice(0))
      reject(new Error(`slowfs ended: ${complaint.trim() || 'no reason given'}`))
  })
  return (word) =>
    new Promise((resolve, reject) => {
      if (server.exitCode !== null || server.signalCode !== null)
        return reject(new Error(`slowfs has ended: ${complaint}`))
      waiting.push({ resolve, reject })
      for (const handle of handles) handle.ref()
      server.stdin.write(`${word}\n`)
    })
}

async function unmount(server: Server, mountPoint: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    server.ref()
    const ended = once(server, 'exit')
    server.stdin.end()
    const impatience = setTimeout(() => server.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(impatience)
  }
  if (isDead(mountPoint)) spawnSync('umount', ['-l', mountPoint])
  if (isDead(mountPoint)) spawnSync('fusermount3', ['-uz', mountPoint])
}

/** A mount whose server was killed answers ENOTCONN to whatever the kernel does not remember, and always to statfs. */
function isDead(mountPoint: string): boolean {
  try {
    statfsSync(mountPoint)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTCONN'
  }
}
