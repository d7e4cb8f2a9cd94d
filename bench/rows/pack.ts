import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Row } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'

/** Everything on local disk: time and size of the archive. */
export const pack: Row = {
  names: ['pack', 'archive-size'],
  async measure({ prefix, runs, programs, peers }) {
    const sizes: Record<string, number> = {}
    const packed = (file: string, command: string, args: string[]): number => {
      const { seconds } = run(command, args, { cwd: emptied(LOCAL) })
      sizes[file] = statSync(join(LOCAL, file)).size
      return seconds
    }
    const tar = [
      '-C',
      dirname(prefix),
      '-I',
      `zstd -T${availableParallelism()} -3`,
      '-cf',
      'tar.tar.zst',
      basename(prefix),
    ]
    const condaPack = join(peers.condaPack, 'conda-pack')
    const theirs = ['-q', '--ignore-missing-files', '--ignore-editable-packages', '-p', prefix, '-o']
    const times = await inTurns(runs, {
      ours: () =>
        packed('ours.tar.zst', programs.local.launcher, [
          '--pack',
          `--prefix=${prefix}`,
          `--output=${LOCAL}/ours.tar.zst`,
          '--quiet',
        ]),
      gzip: () => packed('conda-pack.tar.gz', condaPack, [...theirs, 'conda-pack.tar.gz']),
      zstd: () => packed('conda-pack.tar.zst', condaPack, [...theirs, 'conda-pack.tar.zst']),
      tar: () => packed('tar.tar.zst', 'tar', tar),
    })
    emptied(LOCAL)
    const size = (file: string) => [sizes[file]!]
    return [
      {
        what: 'pack on local disk',
        unit: 's',
        ours: times.ours,
        against: [
          { name: 'conda-pack, .tar.gz', values: times.gzip, limit: 1 / 4 },
          { name: 'conda-pack, .tar.zst', values: times.zstd },
          { name: `tar -I '${tar[3]}' -cf`, values: times.tar, limit: 1.2 },
        ],
      },
      {
        what: 'archive',
        unit: 'bytes',
        ours: size('ours.tar.zst'),
        against: [
          { name: 'conda-pack, .tar.gz', values: size('conda-pack.tar.gz'), limit: 1.15 },
          { name: 'conda-pack, .tar.zst', values: size('conda-pack.tar.zst') },
          { name: `tar -I '${tar[3]}' -cf`, values: size('tar.tar.zst') },
        ],
      },
    ]
  },
}
