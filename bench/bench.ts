import { rmSync } from 'node:fs'
import { ENV, LOCAL } from './layout.ts'
import { emptied, run } from './measure.ts'
import type { Peers } from './peers.ts'
import type { Program, Programs } from './program.ts'
import type { Figure } from './report.ts'
import type { Slowness } from './slowly.ts'

/** What a row measures with. */
export interface Bench {
  /** The environment's prefix, in SLOW. */
  prefix: string
  programs: Programs
  peers: Peers
  slowness: Slowness
  /** Milliseconds for each request, at which a first stage is measured. */
  firstStageMs: number[]
  /** How often each measurement is repeated. */
  runs: number
  /** The same for peers that take minutes. */
  slowRuns: number
}

export interface Row {
  /** Any of these names selects it: `npm run bench -- NAME`. */
  names: string[]
  /** It runs Python from the environment. */
  needsPython?: boolean
  measure(bench: Bench): Promise<Figure[]>
}

export const archiveOf = (bench: Bench): string => `${bench.prefix}.tar.zst`

/** Makes the next stage a first one. */
export function withoutArchive(bench: Bench): void {
  rmSync(archiveOf(bench), { force: true })
  emptied(ENV.XDG_CACHE_HOME!)
}

/** Makes the next stage a second one. */
export function withArchive(bench: Bench): void {
  run(bench.programs.local.launcher, ['--pack', `--prefix=${bench.prefix}`, '--quiet'])
}

/** Stages to an empty LOCAL; the time of the whole process, and the prefix of the stage. */
export function stageWith(program: Program, bench: Bench): { seconds: number; stage: string } {
  emptied(LOCAL)
  const { seconds, stdout } = run(program.launcher, [`--prefix=${bench.prefix}`, `--path=${LOCAL}`, '--quiet'])
  return { seconds, stage: stdout.trim() }
}

/** Reads every file of the environment once, with as many requests in flight as our own program has. */
export function readOnce(bench: Bench): number {
  const program = new URL('read-once.ts', import.meta.url).pathname
  return run(process.execPath, [program, bench.prefix, '128'], { env: { UV_THREADPOOL_SIZE: '128' } }).seconds
}
