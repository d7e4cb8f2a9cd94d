/** Sessions that share a copy, and somebody who kills among them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONDA } from './actions.ts'
import { killIf } from './kill.ts'
import type { Random } from './random.ts'
import type { KillWorld } from './world.ts'

export interface Session {
  /** What it said, line by line. */
  said: string[]
  stderr: string
  /** Exit status, or the name of the signal. */
  status: number | string
}

/**
 * Each round stages, looks several times whether programs run from the copy, unstages, and looks whether they run from the
 * original. It says what it does, and LOST if a program is not where it should be.
 */
const script = (rounds: number) => `
${CONDA}
. "$HOOK"
off=1; conda activate my; off=
files() { find "$1/share" | wc -l; }
all=$(files "$E")
look() { [ "$CONDA_PREFIX $(place) $(files "$1")" = "$1 $1 $all" ] || echo "LOST $1: $CONDA_PREFIX $(place) $(files "$1")"; }
for round in $(seq ${rounds}); do
  if conda-stage --path="$L"; then
    echo "copy $CONDA_PREFIX"
    for n in 1 2 3 4 5; do look "$CONDA_PREFIX"; sleep 0.0$((RANDOM % 9)); done
  else
    echo "failed"
  fi
  until [ "$CONDA_PREFIX" = "$E" ]; do conda-stage --unstage || echo "not unstaged"; done
  look "$E"
done
echo end
`

/** Starts sessions at the same time, each in a session and group of its own. */
export function startSessions(world: KillWorld, { count, rounds }: { count: number; rounds: number }) {
  const sessions = Array.from({ length: count }, () =>
    spawn('bash', ['--norc', '-c', script(rounds)], {
      env: world.env,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  return { sessions, ended: Promise.all(sessions.map(endOf)) }
}

async function endOf(session: ChildProcess): Promise<Session> {
  let [stdout, stderr] = ['', '']
  session.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  session.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  // Not its exit: what it said may still be in the pipes.
  const [code, signal] = await once(session, 'close')
  return { said: stdout.split('\n').filter(Boolean), stderr, status: code ?? signal }
}

/** Kills one of the sessions, or one of their programs, every few milliseconds until they have ended. Says how many. */
export async function killAmong(sessions: readonly ChildProcess[], random: Random, everyMs: number): Promise<number> {
  let kills = 0
  for (;;) {
    await sleep(random.fraction() * 2 * everyMs)
    const living = sessions.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    if (living.length === 0) return kills
    const { pid } = random.oneOf(living)
    const programs = descendants(pid!).filter(isNode)
    const signal = random.oneOf(['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT'] as const)
    // Sessions are not killed as often, so that some are left.
    if (random.below(12) === 0) kills += Number(process.kill(-pid!, 'SIGKILL'))
    else if (programs.length > 0)
      kills += Number(killIf(random.oneOf(programs), signal, ({ session }) => session === pid))
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return children.flatMap((child) => [child, ...descendants(child)])
  } catch {
    return []
  }
}

function isNode(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).endsWith('/node')
  } catch {
    return false
  }
}

/** The process that makes the copy while others wait; undefined if there is none. */
export function leaderIn(local: string): number | undefined {
  for (const name of readdirSync(local).filter((name) => /^\.conda-stage_turn-[0-9a-f]+$/.test(name)))
    try {
      const [file] = readdirSync(`${local}/${name}`)
      return JSON.parse(readFileSync(`${local}/${name}/${file}`, 'utf8')).pid
    } catch {
      // It has just finished.
    }
  return undefined
}
