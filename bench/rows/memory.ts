import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { emptied, inTurns, runForMemory } from '../measure.ts'

const GB = 2 ** 30

/** Peak memory with an environment of 10 GB that has a file of 4 GB. */
export const memory: Row = {
  names: ['memory'],
  async measure({ programs: { local } }) {
    const prefix = makeHuge(join(TOP, 'huge'))
    const archive = `${prefix}.tar.zst`
    const pack = () =>
      runForMemory(local.launcher, ['--pack', '--force', `--prefix=${prefix}`, `--output=${archive}`]).megabytes
    const { packing } = await inTurns(1, { packing: pack })
    const figures = [{ what: 'memory, packing 10 GB', unit: 'MB' as const, ours: packing, limit: 400, against: [] }]
    const disk = join(tmpdir(), 'conda-stage-bench')
    if (room(tmpdir()) > 12 * GB) {
      emptied(disk)
      const args = [`--prefix=${prefix}`, `--path=${disk}`, `--output=${archive}`]
      const { staging, first } = await inTurns(1, {
        staging: () => runForMemory(local.launcher, args).megabytes,
        first: () => {
          emptied(disk)
          rmSync(archive)
          return runForMemory(local.launcher, args).megabytes
        },
      })
      figures.push({ what: 'memory, first stage of 10 GB', unit: 'MB', ours: first, limit: 400, against: [] })
      figures.push({ what: 'memory, second stage of 10 GB', unit: 'MB', ours: staging, limit: 400, against: [] })
      emptied(disk)
      rmSync(disk, { recursive: true })
    }
    rmSync(join(TOP, 'huge'), { recursive: true })
    emptied(LOCAL)
    return figures
  },
}

/** Holes, except for a page in each MB, so that it takes little memory itself. Half of it is one file, the rest 4,000 files. */
function makeHuge(folder: string): string {
  const prefix = join(emptied(folder), 'envs/huge')
  mkdirSync(join(prefix, 'conda-meta'), { recursive: true })
  mkdirSync(join(prefix, 'share'))
  writeFileSync(join(prefix, 'conda-meta/history'), '')
  makeSparse(join(prefix, 'share/4gb'), 4 * GB + 1)
  for (let i = 0; i < 5; i++) makeSparse(join(prefix, `share/1gb-${i}`), GB)
  for (let i = 0; i < 4000; i++) makeSparse(join(prefix, `share/small-${i}`), GB / 4000)
  return prefix
}

function makeSparse(path: string, size: number): void {
  const file = openSync(path, 'w')
  ftruncateSync(file, Math.floor(size))
  for (let at = 0; at < size; at += 2 ** 20) writeSync(file, `${path} ${at}\n`, at)
  closeSync(file)
}

const room = (folder: string): number => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
