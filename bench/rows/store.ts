import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { type Row, withArchive } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { type Ended, emptied, inTurns, run } from '../measure.ts'
import type { Figure } from '../report.ts'
import { slowly } from '../slowly.ts'
import { reinstall } from './repack.ts'

/** A new version of an environment, of which one package changed, beside a copy of the old version: time and space. */
export const store: Row = {
  names: ['store'],
  async measure(bench) {
    withArchive(bench)
    const kept = join(emptied(join(TOP, 'kept')), 'old')
    const call = (...args: string[]) => run(bench.programs.local.launcher, [...args, '--session=1', '--quiet'])
    const stage = () => call(`--prefix=${bench.prefix}`, `--path=${LOCAL}`)
    emptied(LOCAL)
    stage()
    const old = readdirSync(LOCAL).find((name) => name.startsWith('conda-stage_'))!
    renameSync(join(LOCAL, old), kept)
    reinstall(bench)
    withArchive(bench)
    const sizes = { whole: [] as number[], beside: [] as number[] }
    /** Alone or beside the copy of the old version, which stands where it was made. */
    const timed = (isBeside: boolean, body: () => Promise<Ended>) => async () => {
      emptied(LOCAL)
      if (isBeside) renameSync(kept, join(LOCAL, old))
      const before = used()
      const { seconds, stdout } = await body()
      sizes[isBeside ? 'beside' : 'whole'].push(used() - before)
      // As users do it: chmod, which emptied() needs, would change what both have in common.
      call('--unstage', '--force', `--prefix=${stdout.trim()}`)
      if (isBeside) renameSync(join(LOCAL, old), kept)
      return seconds
    }
    const figures: Figure[] = []
    for (const where of ['the archive on the slow file system', 'all local']) {
      const body = where === 'all local' ? async () => stage() : () => slowly(bench.slowness, async () => stage())
      const { whole, beside } = await inTurns(bench.runs, { whole: timed(false, body), beside: timed(true, body) })
      const against = [{ name: 'without that copy', values: whole, limit: 1 / 3 }]
      figures.push({ what: `new version beside a copy of the old one, ${where}`, unit: 's', ours: beside, against })
    }
    const against = [{ name: 'without that copy', values: sizes.whole, limit: 0.05 }]
    figures.push({ what: 'its room', unit: 'MB', ours: sizes.beside, against })
    emptied(LOCAL)
    emptied(join(TOP, 'kept'))
    return figures
  },
}

/** Of LOCAL, in 10^6 bytes: a file with several names counts once. */
const used = (): number => (Number(run('du', ['-sk', LOCAL]).stdout.split('\t')[0]) * 1024) / 1e6
