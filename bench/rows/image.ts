import { mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Bench, type Row, stageWith, withArchive } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'
import { slowly } from '../slowly.ts'

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

/** All of it on a slow file system: from the call to the first program that could run. */
async function untilUsable(bench: Bench) {
  const { slowness } = bench
  let counts = {}
  const slow = (body: () => number): Promise<number> =>
    slowly(slowness, async (mount) => {
      await mount.reset()
      const seconds = body()
      counts = await mount.counters()
      return seconds
    })
  let inodes = 0
  const { copied, inPlace } = await inTurns(bench.runs, {
    copied: () =>
      slow(() => {
        emptied(LOCAL)
        const { seconds, file } = copyOfImage(bench)
        inodes = countOf(LOCAL)
        return seconds + mounted(file, [], (seconds) => seconds)
      }),
    inPlace: () => slow(() => mounted(imageOf(bench), [], (seconds) => seconds)),
  })
  const requests = { ...counts }
  const { tree } = await inTurns(bench.runs, { tree: () => slow(() => stageWith(bench.programs.local, bench).seconds) })
  const files = countOf(LOCAL)
  emptied(LOCAL)
  return [
    {
      what: 'image: copied and mounted, original slow',
      unit: 's' as const,
      ours: copied,
      limit: 0.3,
      against: [{ name: 'extracted and relocated', values: tree }],
    },
    { what: 'image: mounted in place', unit: 's' as const, ours: inPlace, against: [], counts: requests },
    {
      what: 'image: inodes on the local disk',
      unit: 'files' as const,
      ours: [inodes],
      against: [{ name: 'extracted and relocated', values: [files] }],
    },
  ]
}

/** Timed as a whole process that does nothing else. */
function copyOfImage({ programs: { local }, prefix }: Bench): { seconds: number; file: string } {
  const code = `import { stage } from ${JSON.stringify(join(local.root, 'dist/index.js'))}
    const options = ${JSON.stringify({ prefix, path: LOCAL, form: 'image', keepMinutes: 60 })}
    console.log((await stage(options)).prefix)`
  const env = { UV_THREADPOOL_SIZE: '128' }
  const { seconds, stdout } = run(local.node, ['--input-type=module', '-e', code], { env })
  return { seconds, file: stdout.trim() }
}

function countOf(folder: string): number {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.reduce((sum, entry) => sum + (entry.isDirectory() ? countOf(join(folder, entry.name)) : 0) + 1, 0)
}

/** @param body gets the seconds that mounting took */
function mounted<T>(file: string, options: readonly string[], body: (seconds: number) => T): T {
  mkdirSync(MOUNT, { recursive: true })
  const isKernel = options[0] === 'kernel'
  const { seconds } = isKernel
    ? run('mount', ['-t', 'squashfs', '-o', 'loop,ro,nosuid,nodev', file, MOUNT])
    : run('squashfuse_ll', ['-o', 'ro,nosuid,nodev', ...options, file, MOUNT])
  try {
    return body(seconds)
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
