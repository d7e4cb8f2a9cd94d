import { mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Bench, type Row, withArchive } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import { type Counters, type Slowness, slowly } from '../slowly.ts'

const imageOf = ({ prefix }: Bench): string => `${prefix}.sqfs`
const MOUNT = join(TOP, 'mounted')

/** Images: what making one costs, how long it is until the environment can be used, and how fast programs start from it. */
export const image: Row = {
  names: ['image'],
  needsPython: true,
  async measure(bench) {
    withArchive(bench)
    return [...(await making(bench)), ...(await untilUsable(bench)), ...(await starting(bench))]
  },
}

const pack = (bench: Bench): number =>
  run(bench.programs.local.launcher, ['--pack', '--format=squashfs', `--prefix=${bench.prefix}`, '--quiet']).seconds

async function making(bench: Bench) {
  const byHand = join(TOP, 'by-hand.sqfs')
  const { ours, folder } = await inTurns(bench.runs, {
    ours: () => {
      rmSync(imageOf(bench), { force: true })
      return pack(bench)
    },
    folder: () => {
      rmSync(byHand, { force: true })
      const zstd = ['-comp', 'zstd', '-Xcompression-level', '3']
      return run('mksquashfs', [bench.prefix, byHand, ...zstd, '-quiet', '-no-progress']).seconds
    },
  })
  const megabytes = (path: string): number => statSync(path).size / 1e6
  const sizes = [{ name: 'tar.zst', values: [megabytes(`${bench.prefix}.tar.zst`)] }]
  const size = { what: 'image: size', unit: 'MB' as const, ours: [megabytes(imageOf(bench))], against: sizes }
  rmSync(byHand)
  const name = 'mksquashfs of the environment itself'
  return [{ what: 'image: made of the archive', unit: 's' as const, ours, against: [{ name, values: folder }] }, size]
}

/** More than any disk gives: then only the look-ups are slow. */
const UNLIMITED_MB = 100_000

/** Whole calls of a command that does nothing, on a slow file system, on a node that has no copy. */
async function untilUsable(bench: Bench) {
  const limited = await calls(bench, bench.slowness)
  const unlimited = await calls(bench, { ...bench.slowness, bandwidthMb: UNLIMITED_MB })
  const figure = (what: string, { copied, inPlace, files }: Calls, limit?: number) => ({
    what: `image: whole call of --exec, ${what}`,
    unit: 's' as const,
    ours: copied.seconds,
    ...(limit !== undefined && { limit }),
    against: [
      { name: 'read in place', values: inPlace.seconds },
      { name: 'extracted files', values: files.seconds },
    ],
    counts: copied.counts,
  })
  return [
    figure('no limit of bandwidth', unlimited, 0.3),
    figure(`${bench.slowness.bandwidthMb} MB/s`, limited),
    {
      what: 'image: inodes on the local disk during a call',
      unit: 'files' as const,
      ours: [limited.copied.inodes],
      against: [{ name: 'extracted files', values: [limited.files.inodes] }],
    },
  ]
}

type Calls = Record<'copied' | 'inPlace' | 'files', { seconds: number[]; counts: Counters; inodes: number }>

const HOW = {
  copied: () => [],
  inPlace: () => ['--in-place'],
  files: (bench: Bench) => [`--output=${bench.prefix}.tar.zst`],
}

async function calls(bench: Bench, slowness: Slowness): Promise<Calls> {
  const names = ['copied', 'inPlace', 'files'] as const
  const counts: Record<string, Counters> = {}
  const inodes: Record<string, number> = {}
  const call = (name: (typeof names)[number]) => async (): Promise<number> => {
    emptied(LOCAL)
    const seconds = await slowly(slowness, async (mount) => {
      await mount.reset()
      const args = ['--exec=strict', `--prefix=${bench.prefix}`, `--path=${LOCAL}`, '--keep=60', ...HOW[name](bench)]
      const { seconds } = run(bench.programs.local.launcher, [...args, '--no-skip-local', '--quiet', '--', 'true'])
      counts[name] = await mount.counters()
      return seconds
    })
    inodes[name] = countOf(LOCAL)
    return seconds
  }
  const { copied, inPlace, files } = await inTurns(bench.runs, {
    copied: call('copied'),
    inPlace: call('inPlace'),
    files: call('files'),
  })
  emptied(LOCAL)
  const of = (name: string, seconds: number[]) => ({ seconds, counts: counts[name]!, inodes: inodes[name]! })
  return { copied: of('copied', copied), inPlace: of('inPlace', inPlace), files: of('files', files) }
}

function countOf(folder: string): number {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.reduce((sum, entry) => sum + (entry.isDirectory() ? countOf(join(folder, entry.name)) : 0) + 1, 0)
}

function mounted<T>(file: string, options: readonly string[], body: () => T): T {
  mkdirSync(MOUNT, { recursive: true })
  if (options[0] === 'kernel') run('mount', ['-t', 'squashfs', '-o', 'loop,ro,nosuid,nodev', file, MOUNT])
  else run('squashfuse_ll', ['-o', 'ro,nosuid,nodev', ...options, file, MOUNT])
  try {
    return body()
  } finally {
    run('umount', ['--lazy', MOUNT])
    rmdirSync(MOUNT)
  }
}

const WAYS = {
  threads: [],
  single: ['-s'],
  cloned: ['-o', 'clone_fd'],
  kernel: ['kernel'],
} as const
const NAMES = {
  threads: 'squashfuse_ll with threads',
  single: 'squashfuse_ll -s',
  cloned: 'squashfuse_ll -o clone_fd',
  kernel: "the kernel's squashfs, as uenv mounts it (needs root)",
}
type Way = keyof typeof WAYS

/** `jupyter --version`, the first time and again, from a fresh mount each time. */
async function starting(bench: Bench) {
  const copy = join(emptied(join(TOP, 'copy')), basename(bench.prefix))
  run('cp', ['-a', bench.prefix, copy])
  const jupyter = (prefix: string): number =>
    run(join(prefix, 'bin/python'), [join(prefix, 'bin/jupyter'), '--version']).seconds
  const first = new Map<Way, number[]>()
  const again = (way: Way) => (): number =>
    mounted(imageOf(bench), WAYS[way], () => {
      first.set(way, [...(first.get(way) ?? []), jupyter(MOUNT)])
      return jupyter(MOUNT)
    })
  jupyter(copy)
  const { extracted, ...ways } = await inTurns(bench.runs, {
    extracted: () => jupyter(copy),
    ...(Object.fromEntries((Object.keys(WAYS) as Way[]).map((way) => [way, again(way)])) as Record<Way, () => number>),
  })
  emptied(join(TOP, 'copy'))
  return (Object.keys(WAYS) as Way[]).flatMap((way) => [
    {
      what: `jupyter --version: ${NAMES[way]}, first`,
      unit: 's' as const,
      ours: first.get(way)!,
      against: [{ name: 'extracted copy, again', values: extracted }],
    },
    {
      what: `jupyter --version: ${NAMES[way]}, again`,
      unit: 's' as const,
      ours: ways[way],
      against: [{ name: 'extracted copy, again', values: extracted, ...(way === 'single' && { limit: 1.1 }) }],
    },
  ])
}
