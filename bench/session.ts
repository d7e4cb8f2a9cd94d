/** Stage and unstage as users do: whole calls in a bash in which the environment is active. */
import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Bash, openBash } from './bash.ts'
import type { Bench } from './bench.ts'
import { LOCAL } from './layout.ts'
import { emptied, whenLocalIsEmpty } from './measure.ts'
import { type Counters, slowly } from './slowly.ts'

/** Where conda is: on the slow file system, outside it, or nowhere. Without conda, the environment is activated by hand. */
export type CondaAt = 'slow' | 'local' | 'nowhere'

export interface Session {
  stage: Call
  unstage: Call
}

interface Call {
  seconds: number
  /** Requests to the slow file system. */
  counts: Counters
}

/** Ours, installed on the slow file system. */
export async function ourSession(bench: Bench, conda: CondaAt): Promise<Session> {
  const load = `eval "$('${bench.programs.slow.launcher}' --source bash)"`
  const calls: Calls = [load, `conda-stage --path='${LOCAL}'`, 'conda-stage --unstage']
  // While the program still exists: a process of its own removes the copy after the call.
  return await session(bench, conda, calls, whenLocalIsEmpty)
}

/** The same with conda-stage 0.7.1. Its archive is there afterwards. */
export function peerSession(bench: Bench, conda: CondaAt): Promise<Session> {
  const load = `PATH=$PATH:'${bench.peers.condaPack}'; . '${bench.peers.condaStage}'`
  return session(bench, conda, [load, 'conda-stage --stage', 'conda-stage --unstage'])
}

/** Its archive, and the list of packages that shows it whether the archive is fresh. */
export function withoutPeersArchive({ prefix }: Bench): void {
  for (const suffix of ['.tar.gz', '.export']) rmSync(`${prefix}${suffix}`, { force: true })
}

/** Code that loads the function, and the calls to it. */
type Calls = [load: string, stage: string, unstage: string]

async function session(
  bench: Bench,
  conda: CondaAt,
  [load, stage, unstage]: Calls,
  atEnd: () => Promise<void> = async () => {},
): Promise<Session> {
  emptied(LOCAL)
  return await slowly(bench.slowness, async (mount) => {
    const bash = openBash()
    const call = async (code: string): Promise<Call> => {
      await mount.reset()
      const seconds = await bash.call(code)
      return { seconds, counts: await mount.counters() }
    }
    try {
      await activate(bash, bench, conda)
      await bash.call(load)
      const result = { stage: await call(stage), unstage: await call(unstage) }
      await atEnd()
      return result
    } finally {
      bash.close()
    }
  })
}

async function activate(bash: Bash, { prefix, peers }: Bench, conda: CondaAt): Promise<void> {
  if (conda === 'nowhere') {
    const name = basename(prefix)
    await bash.call(
      `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV='${name}' CONDA_SHLVL=1 PATH='${join(prefix, 'bin')}':$PATH`,
    )
    return
  }
  const python = peers.conda![conda]
  await bash.call(`PATH=$PATH:'${join(python, '../../condabin')}'; eval "$('${python}' -m conda shell.posix hook)"`)
  await bash.call(`conda activate '${basename(prefix)}' && [ "$CONDA_PREFIX" = '${prefix}' ]`)
}
