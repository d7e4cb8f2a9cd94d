import { existsSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { type Bench, type Row, stageWith, withArchive } from '../bench.ts'
import { LOCAL, SLOW } from '../layout.ts'
import { emptied, inTurns, run, whenLocalIsEmpty } from '../measure.ts'
import { slowly } from '../slowly.ts'

/** `--mount`: whole calls with a cached image, and starts from what they mount, beside an extracted copy. */
export const mount: Row = {
  names: ['mount'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    emptied(LOCAL)
    const first = mounted(bench).seconds
    await unstaged(bench)
    return [...(await calls(bench, first)), ...(await starting(bench))]
  },
}

function mounted({ programs: { local }, prefix }: Bench, more: readonly string[] = [], env = {}) {
  const args = ['--mount', `--prefix=${prefix}`, `--path=${LOCAL}`, '--session=1', '--quiet', ...more]
  const { seconds, stdout } = run(local.launcher, args, { env })
  const copy = stdout.trim()
  if (!existsSync(join(copy, 'conda-meta'))) throw new Error(`nothing is mounted at ${copy}`)
  return { seconds, copy }
}

async function unstaged({ programs: { local } }: Bench): Promise<number> {
  const { seconds } = run(local.launcher, ['--clean', '--all', '--force', `--path=${LOCAL}`, '--quiet'])
  await whenLocalIsEmpty()
  return seconds
}

/** The original is slow in all of them. The cache folder is not, or it is, as homes are. */
async function calls(bench: Bench, made: number) {
  const slowHome = { XDG_CACHE_HOME: join(SLOW, 'cache') }
  mounted(bench, [], slowHome)
  await unstaged(bench)
  const slow = (body: () => number): Promise<number> =>
    slowly(bench.slowness, async () => {
      const seconds = body()
      await unstaged(bench)
      return seconds
    })
  let inodes = 0
  const { copied, home, inPlace, tree } = await inTurns(bench.runs, {
    copied: () =>
      slow(() => {
        const before = inodesOf(LOCAL)
        const { seconds } = mounted(bench)
        inodes = inodesOf(LOCAL) - before
        return seconds
      }),
    home: () => slow(() => mounted(bench, [], slowHome).seconds),
    inPlace: () => slow(() => mounted(bench, ['--in-place'], slowHome).seconds),
    tree: () => slow(() => stageWith(bench.programs.local, bench).seconds),
  })
  const extracted = [{ name: 'extracted and relocated', values: tree }]
  return [
    { what: '--mount: whole call, original slow', unit: 's' as const, ours: copied, limit: 0.3, against: extracted },
    { what: '--mount: the same, cache folder slow, too', unit: 's' as const, ours: home, against: extracted },
    { what: '--mount --in-place: the same', unit: 's' as const, ours: inPlace, against: extracted },
    { what: '--mount: the first call, which makes the image', unit: 's' as const, ours: [made], against: [] },
    { what: '--mount: inodes on the local disk', unit: 'files' as const, ours: [inodes], against: [] },
  ]
}

function inodesOf(folder: string): number {
  const { files, ffree } = statfsSync(folder)
  return files - ffree
}

/** `jupyter --version` from what is mounted, the first time and again. */
async function starting(bench: Bench) {
  const { stage } = stageWith(bench.programs.local, bench)
  const jupyter = (prefix: string): number =>
    run(join(prefix, 'bin/python'), [join(prefix, 'bin/jupyter'), '--version']).seconds
  const { copy } = mounted(bench)
  const first = [jupyter(copy)]
  jupyter(stage)
  const { again, extracted } = await inTurns(bench.runs * 3, {
    again: () => jupyter(copy),
    extracted: () => jupyter(stage),
  })
  await unstaged(bench)
  const against = [{ name: 'extracted copy', values: extracted }]
  return [
    { what: 'jupyter --version from --mount, first', unit: 's' as const, ours: first, against },
    {
      what: 'jupyter --version from --mount, again',
      unit: 's' as const,
      ours: again,
      against: [{ ...against[0]!, limit: 1.1 }],
    },
  ]
}
